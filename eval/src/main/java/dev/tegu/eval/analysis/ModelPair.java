package dev.tegu.eval.analysis;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import java.util.Arrays;

/**
 * Teacher and student, of the same sizes and on the same device; their weights may differ, and so
 * may the types of those.
 *
 * <p>Beside the models, memory for a text of T tokens: a few residual streams, and blocks of logits
 * and attention weights, a few at a time.
 *
 * @param block numbers of a block, though it has {@value #LEAST_ROWS} rows at least
 */
record ModelPair(DecoderModel teacher, DecoderModel student, AnalysisScript script, int block) {
    /** Numbers of a block: 16 MiB of float32. */
    private static final int BLOCK = 1 << 22;

    /** The same on a GPU, which small blocks would keep waiting: 256 MiB. */
    private static final int GPU_BLOCK = 1 << 26;

    private static final int LEAST_ROWS = 16;

    /** In blocks that suit the device. */
    static int blockOf(DecoderModel model) {
        return model.manager().getDevice().isGpu() ? GPU_BLOCK : BLOCK;
    }

    /** Rows of a block whose rows have so many numbers. */
    int rows(long width) {
        return (int) Math.max(LEAST_ROWS, block / width);
    }

    /** [1, T] int64. */
    static NDArray ids(NDManager owner, int[] tokens) {
        long[] ids = Arrays.stream(tokens).asLongStream().toArray();
        return owner.create(ids, new Shape(1, ids.length));
    }

    /** A residual stream in the type of the other model's. */
    NDArray cast(NDArray hidden, DecoderModel model) {
        return script.cast(hidden, model.ends().get(0));
    }

    /**
     * What the student's layer makes of the heads: its own attention, linear or softmax, over a
     * whole text.
     */
    static NDArray attended(
            DecoderLayer layer, DecoderLayer.Projected in, DecoderLayer.Places places) {
        return layer.attention().isPresent() ? layer.linear(in, places) : layer.softmax(in, places);
    }

    /** What each token is followed by, [n] int64 of positions {@code from..to-1}. */
    static NDArray following(NDManager owner, int[] tokens, int from, int to) {
        return owner.create(Arrays.stream(tokens, from + 1, to + 1).asLongStream().toArray());
    }

    /** Positions of a block of logits. */
    int logitRows() {
        return rows(teacher.vocabSize());
    }

    /**
     * Sum of -ln p of every token but the first.
     *
     * @param hidden residual stream after the model's last layer, [1, T, M]
     */
    double loss(DecoderModel model, NDArray hidden, int[] tokens) {
        double sum = 0;
        int length = tokens.length - 1;
        for (int from = 0; from < length; from += logitRows()) {
            int to = Math.min(length, from + logitRows());
            try (NDManager scope = hidden.getManager().newSubManager()) {
                NDArray piece = script.piece(hidden, from, to);
                piece.attach(scope);
                NDArray logits = model.logits(piece);
                float[] losses = script.losses(logits, following(scope, tokens, from, to));
                for (int t = 0; t < to - from; t++) {
                    sum += losses[t];
                }
            }
        }
        return sum;
    }
}
