package dev.tegu.model;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;

/** How much memory decoding keeps for one sequence. */
public final class StateSize {
    private StateSize() {}

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
