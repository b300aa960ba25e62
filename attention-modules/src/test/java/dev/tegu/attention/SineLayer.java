package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A tiny LoLCATs layer whose every number is a sine, so that its results can be written down. */
final class SineLayer {
    static final int HEADS = 2;
    static final int LENGTH = 12;
    static final int WIDTH = 4;
    static final int FEATURES = 3;
    static final AttentionShape SHAPE = new AttentionShape(HEADS, HEADS, WIDTH, 1);

    final NDArray q;
    final NDArray k;
    final NDArray v;
    final Map<String, NDArray> inputs = new HashMap<>();
    private final NDManager manager;

    SineLayer(NDManager manager) {
        this.manager = manager;
        q = sines(0.7, 0.1, 1, HEADS, LENGTH, WIDTH).mul(1.5);
        k = sines(1.3, 0.4, 1, HEADS, LENGTH, WIDTH).mul(1.5);
        v = sines(0.9, 0.2, 1, HEADS, LENGTH, WIDTH);
        inputs.put("feature_map_q.weight", sines(0.31, 0.05, HEADS, WIDTH, FEATURES));
        inputs.put("feature_map_k.weight", sines(0.47, 0.6, HEADS, WIDTH, FEATURES));
        double[] factor = {-2.1972245773362196, -2.1972245773362196};
        inputs.put("window_factor", manager.create(factor));
    }

    /** sin(a i + b) over the index i of all entries. */
    NDArray sines(double a, double b, long... shape) {
        Shape dims = new Shape(shape);
        double[] values = new double[(int) dims.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = Math.sin(a * i + b);
        }
        return manager.create(values, dims);
    }

    /** Ones on the diagonal, for values that make the output the attention weights themselves. */
    NDArray identityValues() {
        return manager.eye(LENGTH)
                .toType(ai.djl.ndarray.types.DataType.FLOAT64, false)
                .reshape(1, 1, LENGTH, LENGTH)
                .repeat(1, HEADS);
    }

    /** The layer's output for the first tokens, chunked from an empty state, [1, H, length, D]. */
    NDArray output(String yaml, NDArray values, int length) {
        AttentionSpec spec = AttentionCase.spec(yaml, 0);
        String part = ":,:,0:" + length;
        try (LinearAttention layer = new LinearAttention(spec, SHAPE, 5)) {
            NDArray query = q.get(part);
            NDArray key = k.get(part);
            NDArray value = values.get(part);
            AttentionState empty = layer.emptyState(query, key, value);
            return layer.chunked(query, key, value, inputs, empty).output();
        }
    }

    NDArray output(String yaml) {
        return output(yaml, v, LENGTH);
    }

    /** One token through the step form after a prefill of all before, its output [D] of a head. */
    double[] decoded(String yaml, int head, int token) {
        AttentionSpec spec = AttentionCase.spec(yaml, 0);
        try (LinearAttention layer = new LinearAttention(spec, SHAPE, 5)) {
            String before = ":,:,0:" + token;
            String at = ":,:," + token + ":" + (token + 1);
            NDArray firstQ = q.get(before);
            AttentionState state = layer.emptyState(q, k, v);
            state = layer.chunked(firstQ, k.get(before), v.get(before), inputs, state).state();
            return row(
                    layer.step(q.get(at), k.get(at), v.get(at), inputs, state).output(), head, 0);
        }
    }

    static double[] row(NDArray output, int head, int token) {
        return output.get(
                        List.of("0", "" + head, "" + token).toString().replaceAll("[\\[\\] ]", ""))
                .toDoubleArray();
    }
}
