package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;

/** Decoding layer by layer with {@link DecoderModel#forward}: every method, and the reference. */
final class LayerwiseDecoding implements Decoding {
    private final DecoderModel model;
    private DecoderState state;

    /**
     * @param state after the prompts; owned from now on
     */
    LayerwiseDecoding(DecoderModel model, DecoderState state) {
        this.model = model;
        this.state = state;
    }

    @Override
    public NDManager manager() {
        return model.manager();
    }

    @Override
    public NDArray logits(NDArray ids) {
        NDManager owner = ids.getManager();
        try (NDManager scope = owner.newSubManager()) {
            scope.tempAttachAll(ids);
            return scope.ret(model.nextToken(model.forward(ids.expandDims(1), state)));
        }
    }

    @Override
    public NDArray greedy(NDArray ids, int count) {
        NDManager owner = ids.getManager();
        try (NDManager scope = owner.newSubManager()) {
            scope.tempAttachAll(ids);
            NDList tokens = new NDList();
            NDArray last = ids;
            for (int i = 0; i < count; i++) {
                last = logits(last).argMax(1);
                tokens.add(last);
            }
            return scope.ret(NDArrays.stack(tokens));
        }
    }

    @Override
    public void keep(int... rows) {
        DecoderState fewer = state.select(rows);
        state.close();
        state = fewer;
    }

    @Override
    public long sizeBytes() {
        return state.sizeBytes();
    }

    @Override
    public DecoderState state() {
        return state.copy();
    }

    @Override
    public void close() {
        state.close();
    }
}
