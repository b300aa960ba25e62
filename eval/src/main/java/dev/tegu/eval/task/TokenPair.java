package dev.tegu.eval.task;

/**
 * A continuation to rate, as tokens.
 *
 * @param context ids before it, at least one
 * @param continuation ids that are rated, at least one
 * @param splitsToken whether both as one text have a token that reaches over the border between
 *     them; then {@code continuation} is not all of the text's
 * @param isTruncated whether the beginning of the context was cut off
 */
record TokenPair(int[] context, int[] continuation, boolean splitsToken, boolean isTruncated) {}
