package dev.tegu.model;

/** Continues the rows of a batch token by token. */
interface Decoding extends AutoCloseable {
    /**
     * @param tokens the rows' last tokens
     * @return logits of what follows, [B, V] row by row
     */
    float[] logits(int[] tokens);

    /**
     * The most probable tokens, each given back to the model for the next.
     *
     * @param tokens the rows' last tokens
     * @param count how many, at least 1
     * @return [count][B]
     */
    int[][] greedy(int[] tokens, int count);

    /** Goes on with the given rows only. */
    void keep(int... rows);

    /** Bytes that stand between tokens, all rows together. */
    long sizeBytes();

    /** What has been read so far, its own memory, to be closed by the caller. */
    DecoderState state();

    @Override
    void close();
}
