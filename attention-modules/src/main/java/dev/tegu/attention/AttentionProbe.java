package dev.tegu.attention;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.engine.Engines;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * Runs one attention layer outside a model, on tensors of a file, so that another implementation
 * can be compared with it.
 *
 * <p>Reads {@code q} [B, H, T, D], {@code k}, {@code v} [B, K, T, D], optionally {@code cos} and
 * {@code sin} [T, D], the parameters by their checkpoint names, for a gate {@code g} [B, S, T] (its
 * logarithm) or the layer input {@code x} [B, T, M] with the gate's parameters, and optionally
 * {@code grad_output} [B, H, T, D]. Gives {@code output}, {@code state.NAME} and, with {@code
 * grad_output}, {@code grad.NAME} of every other tensor read.
 */
public final class AttentionProbe {
    private static final String GRAD_OUTPUT = "grad_output";

    /** Which form of the layer runs. */
    public enum Form {
        REFERENCE,
        CHUNKED,
        STEP
    }

    private final AttentionSpec spec;
    private final Form form;
    private final Path file;

    private AttentionProbe(AttentionSpec spec, Form form, Path file) {
        this.spec = spec;
        this.form = form;
        this.file = file;
    }

    /**
     * @param tensors safetensors file to read, all F32 or all F64
     * @param output safetensors file to write, replaced whole if it exists
     * @throws CheckpointException if a tensor is missing or has another shape than the switches ask
     *     for
     */
    public static void run(AttentionSpec spec, Form form, Path tensors, Path output, Device device)
            throws IOException {
        try (NDManager manager = Engines.newManager(device)) {
            Map<String, NDArray> inputs = ProbeTensors.read(tensors, manager);
            AttentionProbe probe = new AttentionProbe(withGateOf(inputs, spec), form, tensors);
            SafetensorsWriter.replace(output, probe.run(inputs));
        }
    }

    /**
     * A ready log-gate says by its shape whether heads share it and whether each feature has one,
     * whatever kind of gate the switch names.
     */
    private static AttentionSpec withGateOf(Map<String, NDArray> inputs, AttentionSpec spec) {
        NDArray g = inputs.get("g");
        if (g == null || !spec.isGated() || g.getShape().dimension() < 3) {
            return spec;
        }
        Shape shape = g.getShape();
        GateSpec.Per per = shape.get(1) == 1 ? GateSpec.Per.LAYER : GateSpec.Per.HEAD;
        return spec.withGate(GateSpec.ready(shape.dimension() == 4, per, spec.gate().absorb()));
    }

    private Map<String, TensorSource> run(Map<String, NDArray> inputs) {
        AttentionShape shape = check(inputs);
        NDArray gradOutput = inputs.remove(GRAD_OUTPUT);
        Map<String, TensorSource> results = new TreeMap<>();
        if (gradOutput == null) {
            forward(shape, inputs, results);
            return results;
        }
        inputs.values().forEach(input -> input.setRequiresGradient(true));
        NDManager manager = gradOutput.getManager();
        try (GradientCollector collector = manager.getEngine().newGradientCollector()) {
            NDArray output = forward(shape, inputs, results);
            // Every input is in the sum, so that one the layer does not use gets a gradient of 0.
            NDArray sum = output.mul(gradOutput).sum();
            for (NDArray input : inputs.values()) {
                sum = sum.add(input.mul(0).sum());
            }
            collector.backward(sum);
        }
        inputs.forEach(
                (name, input) -> {
                    try (NDArray gradient = input.getGradient()) {
                        results.put("grad." + name, ProbeTensors.source(gradient));
                    }
                });
        return results;
    }

    private NDArray forward(
            AttentionShape shape, Map<String, NDArray> inputs, Map<String, TensorSource> results) {
        NDArray output;
        Map<String, NDArray> state;
        if (form == Form.REFERENCE) {
            ReferenceAttention.Result result =
                    new ReferenceAttention(spec, shape)
                            .attend(inputs.get("q"), inputs.get("k"), inputs.get("v"), inputs);
            output = result.output();
            state = result.state();
        } else {
            LinearAttention.Result result = fast(shape, inputs);
            output = result.output();
            state = result.state().tensors();
        }
        results.put("output", ProbeTensors.source(output));
        state.forEach(
                (name, tensor) -> {
                    if (tensor.size() > 0) {
                        results.put("state." + name, ProbeTensors.source(tensor));
                    }
                });
        return output;
    }

    private LinearAttention.Result fast(AttentionShape shape, Map<String, NDArray> inputs) {
        try (LinearAttention layer =
                new LinearAttention(spec, shape, LinearAttention.DEFAULT_CHUNK_SIZE)) {
            Map<String, NDArray> rest = new HashMap<>(inputs);
            NDArray q = rest.remove("q");
            NDArray k = rest.remove("k");
            NDArray v = rest.remove("v");
            AttentionState state = layer.emptyState(q, k, v);
            if (form == Form.CHUNKED) {
                return layer.chunked(q, k, v, rest, state);
            }
            NDList outputs = new NDList();
            for (long t = 0; t < q.getShape().get(2); t++) {
                LinearAttention.Result step =
                        layer.step(at(q, 2, t), at(k, 2, t), at(v, 2, t), at(rest, t), state);
                outputs.add(step.output());
                state = step.state();
            }
            // A list of one is copied without its graph.
            NDArray all = outputs.size() == 1 ? outputs.get(0) : NDArrays.concat(outputs, 2);
            return new LinearAttention.Result(all, state);
        }
    }

    private static Map<String, NDArray> at(Map<String, NDArray> inputs, long t) {
        Map<String, NDArray> step = new HashMap<>(inputs);
        Map<String, Integer> timeAxes = Map.of("cos", 0, "sin", 0, "x", 1, "g", 2);
        timeAxes.forEach((name, axis) -> step.computeIfPresent(name, (n, a) -> at(a, axis, t)));
        return step;
    }

    /** The slice of width one at a token. */
    private static NDArray at(NDArray array, int timeAxis, long t) {
        return array.get(":,".repeat(timeAxis) + t + ":" + (t + 1));
    }

    private AttentionShape check(Map<String, NDArray> inputs) {
        Shape q = required(inputs, "q");
        Shape k = required(inputs, "k");
        if (q.dimension() != 4 || k.dimension() != 4 || k.get(1) < 1 || q.get(1) % k.get(1) != 0) {
            throw fault(
                    ("expected q [B, H, T, D] and k [B, K, T, D], K a divisor of H, found " + q)
                            + (" and " + k));
        }
        long batch = q.get(0);
        long length = q.get(2);
        long width = q.get(3);
        long hidden = 1;
        expect(inputs, "k", batch, k.get(1), length, width);
        expect(inputs, "v", batch, k.get(1), length, width);
        if (inputs.containsKey("cos") || inputs.containsKey("sin")) {
            expect(inputs, "cos", length, width);
            expect(inputs, "sin", length, width);
        }
        if (inputs.containsKey(GRAD_OUTPUT)) {
            expect(inputs, GRAD_OUTPUT, batch, q.get(1), length, width);
        }
        if (spec.isGated() && inputs.containsKey("g")) {
            int heads = spec.gate().gateHeads(Math.toIntExact(q.get(1)));
            if (spec.gate().isVector()) {
                int features = spec.featureMap().featureWidth(Math.toIntExact(width));
                expect(inputs, "g", batch, heads, length, features);
            } else {
                expect(inputs, "g", batch, heads, length);
            }
        } else if (spec.gate().readsInput()) {
            Shape x = required(inputs, "x");
            hidden = x.get(x.dimension() - 1);
            expect(inputs, "x", batch, length, hidden);
        }
        AttentionShape shape =
                new AttentionShape(
                        Math.toIntExact(q.get(1)),
                        Math.toIntExact(k.get(1)),
                        Math.toIntExact(width),
                        Math.toIntExact(hidden));
        for (AttentionParameter parameter : AttentionParameter.of(spec, shape)) {
            boolean ready = parameter.name().startsWith("gate.") && inputs.containsKey("g");
            if (!ready) {
                long[] dims = parameter.shape().stream().mapToLong(Long::longValue).toArray();
                expect(inputs, parameter.name(), dims);
            }
        }
        return shape;
    }

    private Shape required(Map<String, NDArray> inputs, String name) {
        NDArray input = inputs.get(name);
        if (input == null) {
            throw fault("no tensor `" + name + "`, found " + inputs.keySet());
        }
        return input.getShape();
    }

    private void expect(Map<String, NDArray> inputs, String name, long... dimensions) {
        Shape found = required(inputs, name);
        Shape expected = new Shape(dimensions);
        if (!found.equals(expected)) {
            throw fault("`" + name + "`: expected shape " + expected + ", found " + found);
        }
    }

    private CheckpointException fault(String what) {
        return new CheckpointException(file + ": " + what);
    }
}
