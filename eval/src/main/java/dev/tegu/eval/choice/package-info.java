/**
 * Multiple-choice scoring: which of several answers does a model find most probable after a
 * context? The core that tasks give questions to; it reads no files.
 */
package dev.tegu.eval.choice;
