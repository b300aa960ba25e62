package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;

/** Random inputs of one layer, and what each form makes of them, gradients included. */
final class AttentionCase {
    private static final double FLOOR = 0.01;

    final AttentionSpec spec;
    final AttentionShape shape;
    final Map<String, NDArray> inputs = new TreeMap<>();
    private final NDManager manager;
    private final NDArray gradOutput;
    private final int batch;
    private final int length;
    private final DataType type;

    AttentionCase(NDManager manager, AttentionSpec spec, AttentionShape shape, int length) {
        this(manager, spec, shape, 2, length);
    }

    AttentionCase(
            NDManager manager, AttentionSpec spec, AttentionShape shape, int batch, int length) {
        this(manager, spec, shape, batch, length, DataType.FLOAT32);
    }

    AttentionCase(
            NDManager manager,
            AttentionSpec spec,
            AttentionShape shape,
            int batch,
            int length,
            DataType type) {
        this.type = type;
        this.manager = manager;
        this.spec = spec;
        this.shape = shape;
        this.batch = batch;
        this.length = length;
        int d = shape.headDim();
        put("q", new Shape(batch, shape.numHeads(), length, d), 1.5);
        put("k", new Shape(batch, shape.numKvHeads(), length, d), 1.5);
        put("v", new Shape(batch, shape.numKvHeads(), length, d), 1);
        if (spec.gate().readsInput()) {
            put("x", new Shape(batch, length, shape.hiddenSize()), 1);
        }
        for (AttentionParameter parameter : AttentionParameter.of(spec, shape)) {
            long[] dims = parameter.shape().stream().mapToLong(Long::longValue).toArray();
            put(parameter.name(), new Shape(dims), 0.7);
        }
        inputs.values().forEach(x -> x.setRequiresGradient(true));
        if (spec.gate().kind() == GateSpec.Kind.CONSTANT) {
            float[] logs = spec.gate().logConstants(shape.numHeads(), 0, 2);
            inputs.put("gate.log_decay", manager.create(logs).toType(type, false));
        }
        float[] cos = new float[length * d];
        float[] sin = new float[length * d];
        for (int t = 0; t < length; t++) {
            for (int i = 0; i < d; i++) {
                double angle = t * Math.pow(10_000, -2.0 * (i % (d / 2)) / d);
                cos[t * d + i] = (float) Math.cos(angle);
                sin[t * d + i] = (float) Math.sin(angle);
            }
        }
        inputs.put("cos", manager.create(cos, new Shape(length, d)).toType(type, false));
        inputs.put("sin", manager.create(sin, new Shape(length, d)).toType(type, false));
        gradOutput = random(new Shape(batch, shape.numHeads(), length, d), 1, 99);
    }

    /** Says which tokens are padding; rows are batch rows, 0 is padding. */
    AttentionCase withMask(int[][] mask) {
        inputs.put("mask", longs(mask));
        return this;
    }

    /** Says to which document each token belongs. */
    AttentionCase withDocuments(int[][] documents) {
        inputs.put("document", longs(documents));
        return this;
    }

    private NDArray longs(int[][] rows) {
        long[] flat = new long[batch * length];
        for (int b = 0; b < batch; b++) {
            for (int t = 0; t < length; t++) {
                flat[b * length + t] = rows[b][t];
            }
        }
        return manager.create(flat, new Shape(batch, length));
    }

    /** What the output is multiplied with before it is summed and differentiated. */
    NDArray gradOutput() {
        return gradOutput;
    }

    /** Output, final {@code kv_state} and {@code k_sum}, and {@code grad.*} of each input. */
    record Outcome(Map<String, NDArray> values) {
        /** Compares every value, within a relative root mean square. */
        void assertClose(Outcome found, double tolerance, String form) {
            assertEquals(values.keySet(), found.values().keySet(), form);
            values.forEach(
                    (name, value) -> {
                        double error = relativeRms(found.values().get(name), value);
                        assertTrue(error <= tolerance, form + ": " + name + " is off by " + error);
                    });
        }
    }

    interface Form {
        /** Runs the layer on the given inputs; first the output, then kv_state and k_sum if any. */
        NDList run(Map<String, NDArray> inputs);
    }

    Outcome outcome(Form form) {
        Map<String, NDArray> values = new LinkedHashMap<>();
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            collector.zeroGradients();
            NDList out = form.run(inputs);
            collector.backward(out.get(0).mul(gradOutput).sum());
            values.put("output", out.get(0).duplicate());
            if (spec.isLinear()) {
                values.put("kv_state", out.get(1).duplicate());
                values.put("k_sum", out.get(2).duplicate());
            }
        }
        inputs.forEach(
                (name, x) -> {
                    if (x.hasGradient()) {
                        try (NDArray gradient = x.getGradient()) {
                            values.put("grad." + name, gradient.duplicate());
                            gradient.subi(gradient);
                        }
                    }
                });
        return new Outcome(values);
    }

    Outcome reference() {
        ReferenceAttention layer = new ReferenceAttention(spec, shape);
        return outcome(
                in -> {
                    ReferenceAttention.Result r =
                            layer.attend(in.get("q"), in.get("k"), in.get("v"), in);
                    NDList out = new NDList(r.output());
                    out.addAll(new NDList(r.state().values()));
                    return out;
                });
    }

    /** Chunked over pieces of the given lengths, then one token at a time. */
    Outcome pieces(int chunkSize, List<Integer> pieces) {
        try (LinearAttention layer = new LinearAttention(spec, shape, chunkSize)) {
            return pieces(layer, pieces);
        }
    }

    /** The same with a layer at hand. */
    Outcome pieces(LinearAttention layer, List<Integer> pieces) {
        return outcome(in -> inPieces(layer, in, pieces));
    }

    private NDList inPieces(LinearAttention layer, Map<String, NDArray> in, List<Integer> pieces) {
        AttentionState state = layer.emptyState(in.get("q"), in.get("k"), in.get("v"));
        boolean plain = !in.containsKey("mask") && !in.containsKey("document");
        List<NDArray> outputs = new ArrayList<>();
        int from = 0;
        for (int piece = 0; from < length; piece++) {
            int size = piece < pieces.size() ? pieces.get(piece) : 1;
            int to = from + size;
            Map<String, NDArray> part = new LinkedHashMap<>(in);
            for (String name : List.of("q", "k", "v")) {
                part.put(name, in.get(name).get(":,:," + from + ":" + to));
            }
            part.put("cos", in.get("cos").get(from + ":" + to));
            part.put("sin", in.get("sin").get(from + ":" + to));
            for (String name : List.of("x", "mask", "document")) {
                if (in.containsKey(name)) {
                    part.put(name, in.get(name).get(":," + from + ":" + to));
                }
            }
            NDArray q = part.remove("q");
            NDArray k = part.remove("k");
            NDArray v = part.remove("v");
            LinearAttention.Result result =
                    piece < pieces.size() || !plain
                            ? layer.chunked(q, k, v, part, state)
                            : layer.step(q, k, v, part, state);
            outputs.add(result.output());
            state = result.state();
            from = to;
        }
        // concat of a single array is a copy without gradient
        NDList out =
                new NDList(
                        outputs.size() == 1
                                ? outputs.get(0)
                                : NDArrays.concat(new NDList(outputs), 2));
        out.add(state.tensors().get("kv_state"));
        out.add(state.tensors().get("k_sum"));
        return out;
    }

    private void put(String name, Shape dims, double scale) {
        inputs.put(name, random(dims, scale, name.hashCode()));
    }

    private NDArray random(Shape dims, double scale, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[(int) dims.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) ((2 * random.nextDouble() - 1) * scale);
        }
        return manager.create(values, dims).toType(type, false);
    }

    /** A preset with a small window, or a whole spec written out. */
    static AttentionSpec spec(String yaml, int window) {
        if (!yaml.contains(":")) {
            ConfigNode node = AttentionPresets.node(yaml);
            if (AttentionPresets.spec(yaml).window().size() > 0) {
                node = node.with("window.size", String.valueOf(window), "test");
            }
            return ConfigBinder.bind(node, AttentionSpec.class);
        }
        return ConfigBinder.bind(ConfigNode.parse(yaml, "test"), AttentionSpec.class);
    }

    /** Root mean square of the difference, relative to that of the expected values. */
    static double relativeRms(NDArray found, NDArray expected) {
        double[] a = found.toType(DataType.FLOAT64, false).toDoubleArray();
        double[] b = expected.toType(DataType.FLOAT64, false).toDoubleArray();
        assertEquals(b.length, a.length);
        double difference = 0;
        double size = 0;
        for (int i = 0; i < a.length; i++) {
            difference += (a[i] - b[i]) * (a[i] - b[i]);
            size += b[i] * b[i];
        }
        // Gradients that vanish but for rounding (the window factor before anything has left the
        // window) are measured against this instead of themselves.
        return Math.sqrt(difference / Math.max(size, FLOOR * FLOOR * a.length));
    }
}
