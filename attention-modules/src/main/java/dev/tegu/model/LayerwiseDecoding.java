package dev.tegu.model;

import ai.djl.ndarray.NDManager;
import java.util.Arrays;
import java.util.List;

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
    public float[] logits(int[] tokens) {
        List<int[]> rows = Arrays.stream(tokens).mapToObj(token -> new int[] {token}).toList();
        try (NDManager scope = model.manager().newSubManager()) {
            TokenBatch batch = TokenBatch.padded(scope, rows, TokenBatch.Side.LEFT);
            return model.nextToken(model.forward(batch, state)).toFloatArray();
        }
    }

    @Override
    public int[][] greedy(int[] tokens, int count) {
        int[][] out = new int[count][];
        int[] last = tokens;
        for (int i = 0; i < count; i++) {
            float[] logits = logits(last);
            last = new int[tokens.length];
            for (int row = 0; row < last.length; row++) {
                last[row] = largest(logits, row * model.vocabSize(), model.vocabSize());
            }
            out[i] = last;
        }
        return out;
    }

    /** Place of the first largest of some values. */
    static int largest(float[] values, int offset, int count) {
        int best = 0;
        for (int i = 1; i < count; i++) {
            if (values[offset + i] > values[offset + best]) {
                best = i;
            }
        }
        return best;
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
