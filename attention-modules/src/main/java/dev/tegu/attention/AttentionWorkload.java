package dev.tegu.attention;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import dev.tegu.checkpoint.DType;
import dev.tegu.engine.Engines;
import dev.tegu.engine.GradMode;
import dev.tegu.engine.TorchScript;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * One layer on random inputs, to be run again and again by a benchmark. Queries, keys, values and
 * the layer's input have the model's type, parameters are float32. Each run frees all that it made,
 * the gradients of the inputs excepted.
 */
public final class AttentionWorkload implements AutoCloseable {
    /** What computes it. */
    public enum Form {
        /** {@link LinearAttention#chunked}. */
        CHUNKED,
        /** {@link FusedAttention} on its kernel. */
        FUSED,
        /** The kernel alone, on projected queries and keys; gradients of them and of the values. */
        KERNEL,
        /** {@link ReferenceAttention}, with its T x T matrices. */
        QUADRATIC,
        /** Causal softmax attention of the same heads, in one operator: what is replaced. */
        SOFTMAX
    }

    private final NDManager manager;
    private final Form form;
    private final TorchScript script;
    private final ReferenceAttention reference;
    private final LinearAttention layer;
    private final Optional<FusedAttention> fused;
    private final Optional<AttentionKernel> kernel;
    private final Map<String, NDArray> inputs = new HashMap<>();
    private final Map<String, NDArray> constants = new HashMap<>();
    private final NDList operands = new NDList();

    /** In float32. */
    public AttentionWorkload(
            AttentionSpec spec,
            AttentionShape shape,
            int batch,
            int length,
            Form form,
            Device device) {
        this(spec, shape, batch, length, form, device, DType.F32);
    }

    /**
     * @param batch number of rows B
     * @param length tokens T of a row
     * @param type F32, BF16 or F16
     * @throws IllegalStateException if the form is {@code FUSED} or {@code KERNEL} and there is no
     *     kernel
     */
    public AttentionWorkload(
            AttentionSpec spec,
            AttentionShape shape,
            int batch,
            int length,
            Form form,
            Device device,
            DType type) {
        this.manager = Engines.newManager(device);
        this.form = form;
        this.script =
                TorchScript.load(
                        AttentionWorkload.class, "workload.py", Map.of("dtype", number(type)));
        this.reference = new ReferenceAttention(spec, shape);
        this.layer = new LinearAttention(spec, shape, LinearAttention.DEFAULT_CHUNK_SIZE);
        this.fused = form == Form.FUSED ? FusedAttention.of(layer, device, type) : Optional.empty();
        Optional<String> reason =
                needsKernel(form)
                        ? FusedAttention.reasonAgainst(spec, shape, device, type)
                        : Optional.empty();
        this.kernel =
                form == Form.KERNEL && reason.isEmpty()
                        ? Optional.of(new CudaAttentionKernel(spec, shape, device, type))
                        : Optional.empty();
        if (reason.isPresent()) {
            close();
            throw new IllegalStateException("no kernel: " + reason.get());
        }
        int width = shape.headDim();
        inputs.put("q", typed(batch, shape.numHeads(), length, width));
        inputs.put("k", typed(batch, shape.numKvHeads(), length, width));
        inputs.put("v", typed(batch, shape.numKvHeads(), length, width));
        if (form != Form.SOFTMAX) {
            if (spec.gate().readsInput()) {
                inputs.put("x", typed(batch, length, shape.hiddenSize()));
            }
            for (AttentionParameter parameter : AttentionParameter.of(spec, shape)) {
                long[] dims = parameter.shape().stream().mapToLong(Long::longValue).toArray();
                inputs.put(
                        parameter.name(),
                        manager.create(parameter.initialValues(0, 0), new Shape(dims)));
            }
            constants.put(
                    "cos", manager.randomNormal(0, 1, new Shape(length, width), DataType.FLOAT32));
            constants.put(
                    "sin", manager.randomNormal(0, 1, new Shape(length, width), DataType.FLOAT32));
            if (spec.gate().kind() == GateSpec.Kind.CONSTANT) {
                float[] logs = spec.gate().logConstants(shape.numHeads(), 0, 1);
                constants.put(ProbeInputs.LOG_DECAY, manager.create(logs));
            }
        }
        if (!needsKernel(form)) {
            inputs.values().forEach(input -> input.setRequiresGradient(true));
        }
        if (kernel.isPresent()) {
            operands.addAll(
                    layer.script()
                            .call(
                                    "fused_inputs",
                                    new TorchScript.Arguments()
                                            .add(inputs.get("q"))
                                            .add(inputs.get("k"))
                                            .add(inputs.get("v"))
                                            .add(
                                                    "p",
                                                    LinearAttention.orDummy(
                                                            rest(), inputs.get("q")))));
        }
    }

    private static boolean needsKernel(Form form) {
        return form == Form.FUSED || form == Form.KERNEL;
    }

    private static long number(DType type) {
        return switch (type) {
            case F16 -> 5;
            case BF16 -> 15;
            default -> 6;
        };
    }

    private NDArray typed(long... dimensions) {
        try (NDArray wide = manager.randomNormal(0, 1, new Shape(dimensions), DataType.FLOAT32)) {
            return script.call("to_type", new TorchScript.Arguments().add(wide)).get(0);
        }
    }

    /** Runs the layer without recording, as prefill does, and waits for it. */
    public void forward() {
        forward(1);
    }

    /** Runs the layer so often and waits once, at the end. */
    public void forward(int times) {
        repeat(
                times,
                () -> {
                    if (fused.isPresent()) {
                        return attended().output();
                    }
                    return kernel.map(k -> k.forward(operands).get(0)).orElseGet(this::attend);
                });
    }

    /** Runs the layer and the gradients of all its inputs, as training does, and waits. */
    public void forwardAndBackward() {
        forwardAndBackward(1);
    }

    /** The same so often, with one wait at the end. */
    public void forwardAndBackward(int times) {
        repeat(times, this::train);
    }

    private void repeat(int times, Supplier<NDArray> once) {
        for (int i = 1; i <= times; i++) {
            try (NDManager scope = manager.newSubManager()) {
                borrow(scope);
                finish(once.get(), i == times);
            }
        }
    }

    /** Both passes; an array whose numbers are there when the work before it is done. */
    private NDArray train() {
        if (fused.isPresent()) {
            FusedAttention.Attended attended = attended();
            NDArray gradient = gradient(attended.output());
            fused.get()
                    .backward(
                            inputs.get("q"),
                            inputs.get("k"),
                            inputs.get("v"),
                            rest(),
                            attended,
                            gradient,
                            inputs.keySet());
            return gradient;
        }
        if (kernel.isPresent()) {
            NDList attended = kernel.get().forward(operands);
            NDArray gradient = gradient(attended.get(0));
            kernel.get().backward(operands, attended, gradient, true);
            return gradient;
        }
        NDArray output = GradMode.on(this::attend);
        NDArray gradient = gradient(output);
        JniUtils.backward((PtNDArray) output, (PtNDArray) gradient, false, false);
        return output;
    }

    private void borrow(NDManager scope) {
        inputs.values().forEach(scope::tempAttachAll);
        constants.values().forEach(scope::tempAttachAll);
        operands.forEach(scope::tempAttachAll);
    }

    private NDArray gradient(NDArray output) {
        return script.call("noise", new TorchScript.Arguments().add(output)).get(0);
    }

    /** Reading a number waits for a device that works on its own. */
    private void finish(NDArray output, boolean waits) {
        if (waits) {
            script.call("number", new TorchScript.Arguments().add(output)).get(0).toFloatArray();
        }
    }

    /** All inputs but queries, keys and values. */
    private Map<String, NDArray> rest() {
        Map<String, NDArray> rest = new HashMap<>(inputs);
        rest.putAll(constants);
        rest.keySet().removeAll(Set.of("q", "k", "v"));
        return rest;
    }

    private FusedAttention.Attended attended() {
        return fused.orElseThrow()
                .forward(inputs.get("q"), inputs.get("k"), inputs.get("v"), rest());
    }

    private NDArray attend() {
        NDArray q = inputs.get("q");
        NDArray k = inputs.get("k");
        NDArray v = inputs.get("v");
        return switch (form) {
            case SOFTMAX ->
                    script.call("softmax", new TorchScript.Arguments().add(q).add(k).add(v)).get(0);
            case QUADRATIC -> reference.attend(q, k, v, rest()).output();
            default -> layer.chunked(q, k, v, rest(), layer.emptyState(q, k, v)).output();
        };
    }

    @Override
    public void close() {
        fused.ifPresent(FusedAttention::close);
        kernel.ifPresent(AttentionKernel::close);
        layer.close();
        script.close();
        manager.close();
    }
}
