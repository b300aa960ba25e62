/**
 * What the new attention does: a student beside its teacher, layer by layer and head by head, on a
 * text and on needles hidden in it. {@code docs/analysis.md} says what each number means.
 */
package dev.tegu.eval.analysis;
