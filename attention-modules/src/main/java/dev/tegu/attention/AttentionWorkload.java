package dev.tegu.attention;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import dev.tegu.engine.Engines;
import java.util.HashMap;
import java.util.Map;

/**
 * One layer on random inputs, to be run again and again by a benchmark; float32. Each run frees all
 * that it made, the gradients of the inputs excepted.
 */
public final class AttentionWorkload implements AutoCloseable {
    /** What grows how with the length of the text. */
    public enum Form {
        /** {@link LinearAttention#chunked}. */
        CHUNKED,
        /** {@link ReferenceAttention}, with its T x T matrices. */
        QUADRATIC
    }

    private final NDManager manager;
    private final Form form;
    private final ReferenceAttention reference;
    private final LinearAttention layer;
    private final Map<String, NDArray> inputs = new HashMap<>();

    /**
     * @param batch number of rows B
     * @param length tokens T of a row
     */
    public AttentionWorkload(
            AttentionSpec spec,
            AttentionShape shape,
            int batch,
            int length,
            Form form,
            Device device) {
        this.manager = Engines.newManager(device);
        this.form = form;
        this.reference = new ReferenceAttention(spec, shape);
        this.layer = new LinearAttention(spec, shape, LinearAttention.DEFAULT_CHUNK_SIZE);
        int width = shape.headDim();
        normal("q", batch, shape.numHeads(), length, width);
        normal("k", batch, shape.numKvHeads(), length, width);
        normal("v", batch, shape.numKvHeads(), length, width);
        if (spec.gate().readsInput()) {
            normal("x", batch, length, shape.hiddenSize());
        }
        for (AttentionParameter parameter : AttentionParameter.of(spec, shape)) {
            long[] dims = parameter.shape().stream().mapToLong(Long::longValue).toArray();
            inputs.put(
                    parameter.name(),
                    manager.create(parameter.initialValues(0, 0), new Shape(dims)));
        }
        inputs.values().forEach(input -> input.setRequiresGradient(true));
        normal("cos", length, width);
        normal("sin", length, width);
        if (spec.gate().kind() == GateSpec.Kind.CONSTANT) {
            float[] constants = spec.gate().logConstants(shape.numHeads(), 0, 1);
            inputs.put(ProbeInputs.LOG_DECAY, manager.create(constants));
        }
    }

    private void normal(String name, long... dimensions) {
        inputs.put(name, manager.randomNormal(new Shape(dimensions)));
    }

    /** Runs the layer without recording, as prefill does. */
    public void forward() {
        try (NDManager scope = manager.newSubManager()) {
            // Reading a number waits for a device that works on its own.
            attend(scope).sum().getFloat();
        }
    }

    /** Runs the layer and the gradients of all its inputs, as training does. */
    public void forwardAndBackward() {
        try (NDManager scope = manager.newSubManager();
                GradientCollector collector = scope.getEngine().newGradientCollector()) {
            NDArray sum = attend(scope).sum();
            collector.backward(sum);
            sum.getFloat();
        }
    }

    private NDArray attend(NDManager scope) {
        inputs.values().forEach(scope::tempAttachAll);
        Map<String, NDArray> rest = new HashMap<>(inputs);
        NDArray q = rest.remove("q");
        NDArray k = rest.remove("k");
        NDArray v = rest.remove("v");
        if (form == Form.QUADRATIC) {
            return reference.attend(q, k, v, rest).output();
        }
        return layer.chunked(q, k, v, rest, layer.emptyState(q, k, v)).output();
    }

    @Override
    public void close() {
        layer.close();
        manager.close();
    }
}
