package dev.tegu.model;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionSpec;

/** How much memory decoding keeps for one sequence. */
public final class StateSize {
    private StateSize() {}

    /**
     * Bytes that one layer of a method keeps for one sequence, however long the context, without
     * building the layer: the sizes of {@link dev.tegu.attention.AttentionState}'s tensors.
     *
     * <p>With R tokens that a window reaches back and E kept first ones: 2 K (R + E) D values of
     * keys and values; H F (D + 1) of the linear branch; keys and gates that wait to enter it where
     * a method needs them; two counters.
     *
     * @throws dev.tegu.config.InvalidValueException if the spec does not fit the sizes
     */
    public static long of(AttentionSpec spec, AttentionShape shape) {
        spec.check(shape);
        long heads = shape.numHeads();
        long width = shape.headDim();
        long features = spec.isLinear() ? spec.featureMap().featureWidth(shape.headDim()) : 0;
        long reach = spec.window().reach();
        long key = shape.numKvHeads() * width;
        long floats = 2 * key * (reach + spec.window().keepFirst());
        floats += heads * features * (width + 1);
        if (spec.isOutsideWindow()) {
            if (spec.linearRope() != spec.window().rope()) {
                floats += key * reach;
            }
            if (spec.isGated()) {
                long gates = spec.gate().gateHeads(shape.numHeads());
                floats += gates * reach * (spec.gate().isVector() ? features : 1);
            }
        }
        return floats * Float.BYTES + 2 * Long.BYTES;
    }

    /**
     * Bytes of the keys and values, float32, that a plain softmax window of so many tokens keeps in
     * one layer for one sequence.
     */
    public static long ofWindow(int tokens, AttentionShape shape) {
        return tokens * ofToken(shape);
    }

    /**
     * Tokens of the plain softmax window that costs as much as one layer of a method, rounded up:
     * the control to set beside it.
     */
    public static int equalWindow(AttentionSpec spec, AttentionShape shape) {
        long token = ofToken(shape);
        return Math.toIntExact((of(spec, shape) + token - 1) / token);
    }

    private static long ofToken(AttentionShape shape) {
        return 2L * shape.numKvHeads() * shape.headDim() * Float.BYTES;
    }

    /**
     * Bytes of state of one sequence at the longest context, from the states after one and two
     * tokens: what a layer adds a token (softmax) it adds at every token, and a linear layer's
     * state has its full size from the start.
     */
    public static long atFullContext(DecoderModel model) {
        try (DecoderState state = model.newState();
                NDManager scope = model.manager().newSubManager()) {
            model.forward(scope.create(new long[] {0}, new Shape(1, 1)), state);
            long one = state.sizeBytes();
            model.forward(scope.create(new long[] {0}, new Shape(1, 1)), state);
            long growth = state.sizeBytes() - one;
            return one + growth * (model.maxPositions() - 1L);
        }
    }
}
