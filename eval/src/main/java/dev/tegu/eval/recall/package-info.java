/**
 * Recall by length: what a model finds again in a text of a given number of tokens, and at which
 * depth.
 */
package dev.tegu.eval.recall;
