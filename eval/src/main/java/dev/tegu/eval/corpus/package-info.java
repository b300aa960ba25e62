/**
 * A small training corpus of the project's own making, and a tokenizer trained on it: enough to
 * train a tiny teacher from nothing and to see what its students keep.
 */
package dev.tegu.eval.corpus;
