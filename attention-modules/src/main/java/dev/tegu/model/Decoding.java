package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Arrays;
import java.util.stream.IntStream;

/** Continues the rows of a batch token by token. */
interface Decoding extends AutoCloseable {
    /** Lives as long as the model. */
    NDManager manager();

    /**
     * @param ids the rows' last tokens, [B] int64; their manager owns the result
     * @return float32 logits of what follows, [B, V]
     */
    NDArray logits(NDArray ids);

    /**
     * The most probable tokens, each given back to the model for the next.
     *
     * @param ids the rows' last tokens, [B] int64; their manager owns the result
     * @param count how many, 1 to {@link Generator#BURST}
     * @return [count, B] int64; on a GPU nothing has waited for them
     */
    NDArray greedy(NDArray ids, int count);

    /** As {@link #logits(NDArray)}: B V numbers, row by row. */
    default float[] logits(int[] tokens) {
        try (NDManager scope = manager().newSubManager()) {
            return logits(scope.create(wide(tokens))).toFloatArray();
        }
    }

    /** As {@link #greedy(NDArray, int)}: [count][B]. */
    default int[][] greedy(int[] tokens, int count) {
        try (NDManager scope = manager().newSubManager()) {
            long[] flat = greedy(scope.create(wide(tokens)), count).toLongArray();
            int rows = tokens.length;
            return IntStream.range(0, count)
                    .mapToObj(i -> Arrays.copyOfRange(flat, i * rows, (i + 1) * rows))
                    .map(ids -> Arrays.stream(ids).mapToInt(Math::toIntExact).toArray())
                    .toArray(int[][]::new);
        }
    }

    private static long[] wide(int[] tokens) {
        return Arrays.stream(tokens).asLongStream().toArray();
    }

    /** Goes on with the given rows only. */
    void keep(int... rows);

    /** Bytes that stand between tokens, all rows together. */
    long sizeBytes();

    /** What has been read so far, its own memory, to be closed by the caller. */
    DecoderState state();

    @Override
    void close();
}
