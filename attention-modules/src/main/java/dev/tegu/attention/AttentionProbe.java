package dev.tegu.attention;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.engine.Engines;
import dev.tegu.engine.Numbers;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/**
 * Runs one attention layer outside a model, on tensors of a file, so that another implementation
 * can be compared with it.
 *
 * <p>Reads {@code q} [B, H, T, D], {@code k}, {@code v} [B, K, T, D], optionally {@code cos} and
 * {@code sin} [T, D] or [B, T, D], the parameters by their checkpoint names; for a gate {@code g}
 * [B, S, T] or [B, S, T, F] (its logarithm, S = 1 or H), or the layer input {@code x} [B, T, M]
 * with the gate's parameters; for a constant gate optionally {@code gate.log_decay} [H], else that
 * of the only layer of a model; optionally {@code mask} [B, T] (0: padding), {@code document} [B,
 * T] (int64) and {@code grad_output} [B, H, T, D]. Gives {@code output}, {@code state.NAME} and,
 * with {@code grad_output}, {@code grad.NAME} of every other tensor of floats that was read. {@code
 * docs/probe-attention.md} has the whole table.
 */
public final class AttentionProbe {
    /** Which form of the layer runs. */
    public enum Form {
        REFERENCE,
        CHUNKED,
        STEP
    }

    private final AttentionSpec spec;
    private final AttentionShape shape;
    private final Form form;
    private final int chunkSize;
    private final DType dtype;

    private AttentionProbe(ProbeInputs.Layer layer, Form form, int chunkSize) {
        this.spec = layer.spec();
        this.shape = layer.shape();
        this.form = form;
        this.chunkSize = chunkSize;
        this.dtype = layer.dtype();
    }

    /**
     * @param chunkSize rows of a chunk of the chunked form, at least 1
     * @param tensors safetensors file to read, floats all F64, or F32, BF16 and F16
     * @param output safetensors file to write, replaced whole if it exists
     * @throws dev.tegu.checkpoint.CheckpointException if tensors are missing or have another shape
     *     than the switches ask for, all of them in one message
     * @throws dev.tegu.config.InvalidValueException if the switches do not fit the head's width
     */
    public static void run(
            AttentionSpec spec, Form form, int chunkSize, Path tensors, Path output, Device device)
            throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(tensors)) {
            ProbeInputs.Layer layer =
                    ProbeInputs.check(spec, form, chunkSize, tensors, file.tensors());
            try (NDManager manager = Engines.newManager(device)) {
                Map<String, NDArray> inputs = ProbeTensors.read(file, manager);
                AttentionProbe probe = new AttentionProbe(layer, form, chunkSize);
                SafetensorsWriter.replace(output, probe.run(inputs, manager));
            }
        }
    }

    private Map<String, TensorSource> run(Map<String, NDArray> read, NDManager manager) {
        NDArray gradOutput = read.remove(ProbeInputs.GRAD_OUTPUT);
        Map<String, TensorSource> results = new TreeMap<>();
        Map<String, NDArray> inputs = withConstants(read, manager);
        if (gradOutput == null) {
            forward(inputs, results);
            return results;
        }
        Map<String, NDArray> floats = new TreeMap<>(read);
        floats.keySet().removeIf(name -> !ProbeInputs.isFloatInput(name));
        floats.values().forEach(input -> input.setRequiresGradient(true));
        try (GradientCollector collector = manager.getEngine().newGradientCollector()) {
            NDArray output = forward(inputs, results);
            // Every input is in the sum, so that one the layer does not use gets a gradient of 0.
            NDArray sum = output.mul(gradOutput).sum();
            for (NDArray input : floats.values()) {
                sum = sum.add(Numbers.times(input, 0).sum());
            }
            collector.backward(sum);
        }
        floats.forEach(
                (name, input) -> {
                    try (NDArray gradient = input.getGradient()) {
                        results.put("grad." + name, ProbeTensors.source(gradient));
                    }
                });
        return results;
    }

    /** The inputs and, for a constant gate that they do not give, the only layer's constants. */
    private Map<String, NDArray> withConstants(Map<String, NDArray> inputs, NDManager manager) {
        boolean given = inputs.containsKey(ProbeInputs.LOG_DECAY);
        if (spec.gate().kind() != GateSpec.Kind.CONSTANT || given) {
            return inputs;
        }
        Map<String, NDArray> all = new TreeMap<>(inputs);
        NDArray constants = manager.create(spec.gate().logConstants(shape.numHeads(), 0, 1));
        all.put(ProbeInputs.LOG_DECAY, constants.toType(inputs.get("q").getDataType(), false));
        return all;
    }

    /**
     * The layer; in half precision inputs and output are rounded, and their gradients with them.
     */
    private NDArray forward(Map<String, NDArray> inputs, Map<String, TensorSource> results) {
        if (dtype != DType.BF16 && dtype != DType.F16) {
            return forward(inputs, results, x -> x);
        }
        long number = dtype == DType.BF16 ? 15 : 5;
        try (TorchScript script =
                TorchScript.load(AttentionProbe.class, "probe.py", Map.of("dtype", number))) {
            UnaryOperator<NDArray> round =
                    x -> script.call("rounded", new TorchScript.Arguments().add(x)).get(0);
            Map<String, NDArray> rounded = new TreeMap<>(inputs);
            for (String name : List.of("q", "k", "v", "x")) {
                rounded.computeIfPresent(name, (n, x) -> round.apply(x));
            }
            return forward(rounded, results, round);
        }
    }

    private NDArray forward(
            Map<String, NDArray> inputs,
            Map<String, TensorSource> results,
            UnaryOperator<NDArray> round) {
        NDArray output;
        Map<String, NDArray> state;
        if (form == Form.REFERENCE) {
            ReferenceAttention.Result result =
                    new ReferenceAttention(spec, shape)
                            .attend(inputs.get("q"), inputs.get("k"), inputs.get("v"), inputs);
            output = result.output();
            state = result.state();
        } else {
            LinearAttention.Result result = fast(inputs);
            output = result.output();
            state = result.state().tensors();
        }
        output = round.apply(output);
        results.put("output", ProbeTensors.source(output));
        state.forEach(
                (name, tensor) -> {
                    if (tensor.size() > 0) {
                        results.put("state." + name, ProbeTensors.source(tensor));
                    }
                });
        return output;
    }

    private LinearAttention.Result fast(Map<String, NDArray> inputs) {
        try (LinearAttention layer = new LinearAttention(spec, shape, chunkSize)) {
            Map<String, NDArray> rest = new HashMap<>(inputs);
            NDArray q = rest.remove("q");
            NDArray k = rest.remove("k");
            NDArray v = rest.remove("v");
            AttentionState state = layer.emptyState(q, k, v);
            if (form == Form.CHUNKED) {
                return layer.chunked(q, k, v, rest, state);
            }
            // A step knows neither padding nor documents; one token of the chunked form does.
            boolean plain =
                    !rest.containsKey(ProbeInputs.MASK) && !rest.containsKey(ProbeInputs.DOCUMENT);
            NDList outputs = new NDList();
            for (long t = 0; t < q.getShape().get(2); t++) {
                NDArray qt = at(q, 2, t);
                NDArray kt = at(k, 2, t);
                NDArray vt = at(v, 2, t);
                Map<String, NDArray> token = at(rest, t);
                LinearAttention.Result step =
                        plain
                                ? layer.step(qt, kt, vt, token, state)
                                : layer.chunked(qt, kt, vt, token, state);
                outputs.add(step.output());
                state = step.state();
            }
            // A list of one is copied without its graph.
            NDArray all = outputs.size() == 1 ? outputs.get(0) : NDArrays.concat(outputs, 2);
            return new LinearAttention.Result(all, state);
        }
    }

    /** The inputs of one token; parameters stay whole. */
    private static Map<String, NDArray> at(Map<String, NDArray> inputs, long t) {
        Map<String, NDArray> step = new HashMap<>(inputs);
        Map<String, Integer> timeAxes =
                Map.of(
                        "x",
                        1,
                        "g",
                        2,
                        ProbeInputs.MASK,
                        1,
                        ProbeInputs.DOCUMENT,
                        1,
                        "cos",
                        0,
                        "sin",
                        0);
        timeAxes.forEach(
                (name, axis) ->
                        step.computeIfPresent(
                                name,
                                (n, a) -> {
                                    boolean perRow = axis == 0 && a.getShape().dimension() == 3;
                                    return at(a, perRow ? 1 : axis, t);
                                }));
        return step;
    }

    /** The slice of width one at a token. */
    private static NDArray at(NDArray array, int timeAxis, long t) {
        return array.get(":,".repeat(timeAxis) + t + ":" + (t + 1));
    }
}
