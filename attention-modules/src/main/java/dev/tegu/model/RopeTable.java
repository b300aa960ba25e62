package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Map;

/** Cosines and sines of the positions met so far; grows by doubling. */
final class RopeTable implements AutoCloseable {
    private final double[] frequencies;
    private final NDManager manager;
    private NDArray cos;
    private NDArray sin;
    private int length;

    RopeTable(RopeConfig config, int headDim, NDManager manager) {
        this.frequencies = config.frequencies(headDim);
        this.manager = manager;
    }

    /**
     * @param owner manager of the results
     * @return cos and sin of positions {@code from..to-1}, each [to - from, D] float32
     */
    NDArray[] slice(NDManager owner, int from, int to) {
        reach(to);
        String range = from + ":" + to;
        NDArray c = cos.get(range);
        NDArray s = sin.get(range);
        c.attach(owner);
        s.attach(owner);
        return new NDArray[] {c, s};
    }

    /** The whole table as {@code cos} and {@code sin}, with at least so many positions. */
    Map<String, NDArray> upTo(int positions) {
        reach(positions);
        return Map.of("cos", cos, "sin", sin);
    }

    private void reach(int positions) {
        if (positions > length) {
            grow(Math.max(positions, Math.max(256, 2 * length)));
        }
    }

    private void grow(int newLength) {
        int half = frequencies.length;
        float[] c = new float[newLength * 2 * half];
        float[] s = new float[newLength * 2 * half];
        for (int t = 0; t < newLength; t++) {
            for (int i = 0; i < half; i++) {
                double angle = t * frequencies[i];
                int at = t * 2 * half + i;
                c[at] = (float) Math.cos(angle);
                s[at] = (float) Math.sin(angle);
                c[at + half] = c[at];
                s[at + half] = s[at];
            }
        }
        close();
        Shape shape = new Shape(newLength, 2L * half);
        cos = TensorCodec.owned(manager.create(c, shape));
        sin = TensorCodec.owned(manager.create(s, shape));
        length = newLength;
    }

    @Override
    public void close() {
        if (cos != null) {
            cos.close();
            sin.close();
        }
    }
}
