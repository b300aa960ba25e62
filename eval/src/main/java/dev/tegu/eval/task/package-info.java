/**
 * Tasks as data: a YAML file says what a question looks like, which answers there are and how they
 * are scored, with the keys of lm-evaluation-harness; the questions come from local files.
 */
package dev.tegu.eval.task;
