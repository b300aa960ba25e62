package dev.tegu.distill.data;

/**
 * One training sequence.
 *
 * @param ids token ids, length T
 * @param labels length T, aligned with {@code ids}: {@code labels[t]} is {@code ids[t]}, or {@link
 *     #IGNORED} where that token is not to be learnt. The trainer shifts: the logits after token
 *     {@code t} are compared with {@code labels[t + 1]}
 * @param documents length T: the number of the document a token belongs to, counted from 0 in each
 *     sequence
 */
public record Sequence(int[] ids, int[] labels, int[] documents) {
    /** Label of a token that no loss is taken of. */
    public static final int IGNORED = -100;
}
