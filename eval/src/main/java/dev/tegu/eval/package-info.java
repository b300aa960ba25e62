/**
 * Evaluation: tasks, scoring and result files, for any language model, teacher or student. Nothing
 * here prints; the caller draws progress and writes results where it wants them.
 */
package dev.tegu.eval;
