package dev.tegu.attention;

/**
 * Sizes of one attention layer.
 *
 * @param numHeads query heads H
 * @param numKvHeads key/value heads K, a divisor of H
 * @param headDim width D of a head
 * @param hiddenSize width M of the layer's input
 */
public record AttentionShape(int numHeads, int numKvHeads, int headDim, int hiddenSize) {
    /** Refuses head counts that do not divide. */
    public AttentionShape {
        if (numHeads < 1 || numKvHeads < 1 || headDim < 1 || hiddenSize < 1) {
            throw new IllegalArgumentException(
                    "sizes must be at least 1: "
                            + numHeads
                            + " heads, "
                            + numKvHeads
                            + " key/value heads of "
                            + headDim
                            + ", hidden "
                            + hiddenSize);
        }
        if (numHeads % numKvHeads != 0) {
            throw new IllegalArgumentException(
                    numHeads + " query heads cannot share " + numKvHeads + " key/value heads");
        }
    }
}
