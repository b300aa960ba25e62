package dev.tegu.attention;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.checkpoint.DType;
import dev.tegu.engine.Engines;
import dev.tegu.engine.TorchScript;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * One layer on random inputs that half precision holds, run on the kernel and, in float32, on the
 * script: how far apart outputs and gradients are.
 */
final class KernelCheck implements AutoCloseable {
    /** Between a kernel and the float32 script on the same half-precision inputs. */
    private static final double TOLERANCE = 2e-2;

    /**
     * Of what a gate gets: the gradient of its logarithm is a sum over all later tokens, along
     * which roundings add up, and the gate's own parameters get a sum of those, which nearly
     * cancel.
     */
    private static final double BF16_GATE_TOLERANCE = 2e-1;

    private static final double F16_GATE_TOLERANCE = 5e-2;

    /**
     * Gradients smaller than this vanish but for rounding: it is what they are measured against.
     */
    private static final double FLOOR = 0.01;

    private static final double ROPE_BASE = 10_000;

    /** Before the name of what a gradient is of. */
    private static final String GRADIENT = "grad.";

    private static final String GRAD_OUTPUT = "grad_output";

    private final NDManager manager;
    private final DType type;
    private final LinearAttention layer;
    private final TorchScript script;
    private final Map<String, NDArray> inputs = new TreeMap<>();
    private final Set<String> leaves = new TreeSet<>();

    /** The inputs in half precision, and the gradient of the output, by name. */
    private final Map<String, NDArray> halves = new TreeMap<>();

    /**
     * @param layer what is run; stays the caller's
     * @param device where all of it runs
     * @param type BF16 or F16, of q, k, v, x and the output
     */
    KernelCheck(LinearAttention layer, int batch, int length, Device device, DType type) {
        this.manager = Engines.newManager(device);
        this.type = type;
        this.layer = layer;
        AttentionSpec spec = layer.spec();
        AttentionShape shape = layer.shape();
        long dtype = type == DType.BF16 ? 15 : 5;
        this.script =
                TorchScript.load(KernelCheck.class, "kernel_check.py", Map.of("dtype", dtype));
        int width = shape.headDim();
        half("q", normal(1.5, batch, shape.numHeads(), length, width));
        half("k", normal(1.5, batch, shape.numKvHeads(), length, width));
        half("v", normal(1, batch, shape.numKvHeads(), length, width));
        if (spec.gate().readsInput()) {
            half("x", normal(1, batch, length, shape.hiddenSize()));
        }
        for (AttentionParameter parameter : AttentionParameter.of(spec, shape)) {
            long[] dims = parameter.shape().stream().mapToLong(Long::longValue).toArray();
            NDArray start = manager.create(parameter.initialValues(0, 0), new Shape(dims));
            inputs.put(parameter.name(), start.add(normal(0.1, dims)));
        }
        leaves.addAll(inputs.keySet());
        if (spec.gate().kind() == GateSpec.Kind.CONSTANT) {
            float[] constants = spec.gate().logConstants(shape.numHeads(), 0, 2);
            inputs.put(ProbeInputs.LOG_DECAY, manager.create(constants));
        }
        // The kernel rounds what it rotates. Where the gradient of a row's largest score counts, a
        // key that becomes the largest by that would take it away from another.
        if (spec.window().size() == 0 || spec.combine().kind() == CombineSpec.Kind.SUM) {
            rotation(length, width);
        }
        half(GRAD_OUTPUT, normal(1, batch, shape.numHeads(), length, width));
    }

    private void rotation(int length, int width) {
        float[] cos = new float[length * width];
        float[] sin = new float[length * width];
        for (int t = 0; t < length; t++) {
            for (int i = 0; i < width; i++) {
                double angle = t * Math.pow(ROPE_BASE, -2.0 * (i % (width / 2)) / width);
                cos[t * width + i] = (float) Math.cos(angle);
                sin[t * width + i] = (float) Math.sin(angle);
            }
        }
        inputs.put("cos", manager.create(cos, new Shape(length, width)));
        inputs.put("sin", manager.create(sin, new Shape(length, width)));
    }

    private NDArray normal(double scale, long... dims) {
        SplittableRandom random = new SplittableRandom(inputs.size());
        Shape size = new Shape(dims);
        float[] values = new float[Math.toIntExact(size.size())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() * scale);
        }
        return manager.create(values, size);
    }

    /** Puts an input into both maps, the same number in either type. */
    private void half(String name, NDArray x) {
        NDArray narrow = script.call("narrow", new TorchScript.Arguments().add(x)).get(0);
        halves.put(name, narrow);
        inputs.put(name, script.call("widen", new TorchScript.Arguments().add(narrow)).get(0));
    }

    /** The names of everything that a gradient can be asked of. */
    Set<String> leaves() {
        return Set.copyOf(leaves);
    }

    /**
     * How far apart two results are.
     *
     * @param error root mean square of the difference, relative to what was expected
     * @param tolerance what is allowed
     */
    record Distance(double error, double tolerance) {
        boolean isRight() {
            // A comparison with NaN is false.
            return error <= tolerance;
        }
    }

    /**
     * Runs both forms.
     *
     * @param wanted of what gradients are compared
     * @return distances of {@code output} and of {@code grad.*}
     */
    Map<String, Distance> distances(FusedAttention kernel, Set<String> wanted) {
        try (NDManager scope = manager.newSubManager()) {
            inputs.values().forEach(scope::tempAttachAll);
            halves.values().forEach(scope::tempAttachAll);
            Map<String, NDArray> given = new LinkedHashMap<>(inputs);
            given.putAll(halves);
            Map<String, NDArray> found = run(kernel, given, wanted);
            Map<String, NDArray> expected = run(FusedAttention.script(layer), inputs, wanted);
            Map<String, Distance> distances = new LinkedHashMap<>();
            expected.forEach(
                    (name, array) ->
                            distances.put(
                                    name,
                                    new Distance(
                                            error(name, found.get(name), array), tolerance(name))));
            return distances;
        }
    }

    private static Map<String, NDArray> run(
            FusedAttention attention, Map<String, NDArray> given, Set<String> wanted) {
        Map<String, NDArray> rest = new LinkedHashMap<>(given);
        NDArray q = rest.remove("q");
        NDArray k = rest.remove("k");
        NDArray v = rest.remove("v");
        NDArray gradOutput = rest.remove(GRAD_OUTPUT);
        FusedAttention.Attended attended = attention.forward(q, k, v, rest);
        Map<String, NDArray> values = new LinkedHashMap<>();
        values.put("output", attended.output());
        attention
                .backward(q, k, v, rest, attended, gradOutput, wanted)
                .forEach((name, gradient) -> values.put(GRADIENT + name, gradient));
        return values;
    }

    private double tolerance(String name) {
        boolean ofGate = name.startsWith(GRADIENT + "gate.") || name.equals(GRADIENT + "x");
        if (ofGate) {
            return type == DType.BF16 ? BF16_GATE_TOLERANCE : F16_GATE_TOLERANCE;
        }
        return TOLERANCE;
    }

    private double error(String name, NDArray found, NDArray expected) {
        if (!found.getShape().equals(expected.getShape())) {
            throw new IllegalStateException(
                    name + ": expected " + expected.getShape() + ", found " + found.getShape());
        }
        NDList sizes =
                script.call("distance", new TorchScript.Arguments().add(found).add(expected));
        return sizes.get(0).getDouble() / Math.max(FLOOR, sizes.get(1).getDouble());
    }

    /**
     * The distances in one line.
     *
     * @throws IllegalStateException if one is beyond its tolerance or no number
     */
    static String describe(String what, Map<String, Distance> distances) {
        StringBuilder text = new StringBuilder(what).append(':');
        distances.forEach(
                (name, distance) ->
                        text.append(" %s %.1e".formatted(name, distance.error()))
                                .append(distance.isRight() ? "" : " (wrong)"));
        if (!distances.values().stream().allMatch(Distance::isRight)) {
            throw new IllegalStateException("the kernel is not the script: " + text);
        }
        return text.toString();
    }

    @Override
    public void close() {
        script.close();
        manager.close();
    }
}
