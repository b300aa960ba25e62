package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.attention.LinearAttention.Branch;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.engine.Engines;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A layer without a branch, against loops over single numbers. */
class AblationTest {
    private static final int HEADS = 2;
    private static final int LENGTH = 9;
    private static final int WIDTH = 4;
    private static final int WINDOW = 3;

    private static final String LOLCATS =
            "{feature_map: {kind: hedgehog, feature_dim: 3}, window: {size: 3}, linear_scope:"
                    + " outside_window}";
    private static final String SUM =
            "{feature_map: {kind: hedgehog, feature_dim: 3}, window: {size: 3}, combine: sum}";

    static Stream<Arguments> cases() {
        List<Arguments> all = new ArrayList<>();
        for (String spec : List.of(LOLCATS, SUM)) {
            for (Set<Branch> ablated :
                    List.of(
                            Set.<Branch>of(),
                            Set.of(Branch.WINDOW),
                            Set.of(Branch.LINEAR),
                            Set.of(Branch.WINDOW, Branch.LINEAR))) {
                for (int prefill : new int[] {LENGTH, 4, 0}) {
                    all.add(Arguments.of(spec, ablated, prefill));
                }
            }
        }
        return all.stream();
    }

    @ParameterizedTest(name = "without {1}, prefill of {2}: {0}")
    @MethodSource("cases")
    void ablatedBranchesAddNothingAndStatesStay(String yaml, Set<Branch> ablated, int prefill) {
        AttentionSpec spec = ConfigBinder.bind(ConfigNode.parse(yaml, "test"), AttentionSpec.class);
        AttentionShape shape = new AttentionShape(HEADS, 1, WIDTH, 1);
        try (NDManager manager = Engines.newManager(Device.cpu());
                LinearAttention whole = new LinearAttention(spec, shape, 4);
                LinearAttention layer = new LinearAttention(spec, shape, 4, ablated)) {
            Map<String, NDArray> inputs = inputs(manager, spec, shape);

            LinearAttention.Result result = run(layer, inputs, prefill);

            assertArrayEquals(
                    expected(inputs, yaml.equals(SUM), ablated),
                    result.output().toFloatArray(),
                    1e-5f);
            Map<String, NDArray> states = run(whole, inputs, prefill).state().tensors();
            assertEquals(states.keySet(), result.state().tensors().keySet());
            states.forEach(
                    (name, state) -> assertEquals(state, result.state().tensors().get(name), name));
        }
    }

    static Stream<Arguments> presetsWithout() {
        return Stream.of("lolcats", "lolcats-terrace", "lizard", "liger", "window-sinks")
                .flatMap(
                        name ->
                                Stream.of(
                                                Set.of(Branch.WINDOW),
                                                Set.of(Branch.LINEAR),
                                                Set.of(Branch.WINDOW, Branch.LINEAR))
                                        .map(without -> Arguments.of(name, without)));
    }

    @ParameterizedTest(name = "{0} without {1}")
    @MethodSource("presetsWithout")
    void aCallWithoutABranchIsThatOfTheAblatedLayer(String preset, Set<Branch> without) {
        AttentionSpec spec = AttentionCase.spec(preset, 4);
        AttentionShape shape = new AttentionShape(4, 2, 8, 5);
        try (NDManager manager = TestDevice.newManager();
                LinearAttention whole = new LinearAttention(spec, shape, 16);
                LinearAttention ablated = new LinearAttention(spec, shape, 16, without)) {
            Map<String, NDArray> inputs =
                    new TreeMap<>(new AttentionCase(manager, spec, shape, 30).inputs);
            NDArray q = inputs.remove("q");
            NDArray k = inputs.remove("k");
            NDArray v = inputs.remove("v");
            NDArray expected =
                    ablated.chunked(q, k, v, inputs, ablated.emptyState(q, k, v)).output();
            NDArray index = manager.create(new long[] {0, 3, 17, 29});
            NDArray rows = ablated.mixing(q, k, inputs, index);
            if (spec.window().size() > 0 && without.equals(Set.of(Branch.LINEAR))) {
                NDArray seen = rows.abs().sum(new int[] {1}).gt(0).toType(DataType.FLOAT32, false);
                assertEquals(seen, whole.inWindow(q, inputs, index), preset);
            }
            for (Branch branch : without) {
                inputs.put(branch == Branch.WINDOW ? "no_window" : "no_linear", manager.create(0f));
            }

            assertEquals(
                    expected, whole.chunked(q, k, v, inputs, whole.emptyState(q, k, v)).output());
            assertEquals(rows, whole.mixing(q, k, inputs, index));
        }
    }

    private static Map<String, NDArray> inputs(
            NDManager manager, AttentionSpec spec, AttentionShape shape) {
        SplittableRandom random = new SplittableRandom(5);
        Map<String, NDArray> inputs = new TreeMap<>();
        inputs.put("q", random(manager, random, 1, HEADS, LENGTH, WIDTH));
        inputs.put("k", random(manager, random, 1, 1, LENGTH, WIDTH));
        inputs.put("v", random(manager, random, 1, 1, LENGTH, WIDTH));
        for (AttentionParameter parameter : AttentionParameter.of(spec, shape)) {
            long[] dims = parameter.shape().stream().mapToLong(Long::longValue).toArray();
            inputs.put(parameter.name(), random(manager, random, dims));
        }
        return inputs;
    }

    private static NDArray random(NDManager manager, SplittableRandom random, long... dims) {
        Shape shape = new Shape(dims);
        float[] values = new float[(int) shape.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextDouble(-1.5, 1.5);
        }
        return manager.create(values, shape);
    }

    /** The first tokens in chunks, the rest in steps. */
    private static LinearAttention.Result run(
            LinearAttention layer, Map<String, NDArray> inputs, int prefill) {
        Map<String, NDArray> parameters = new TreeMap<>(inputs);
        NDArray q = parameters.remove("q");
        NDArray k = parameters.remove("k");
        NDArray v = parameters.remove("v");
        AttentionState state = layer.emptyState(q, k, v);
        NDList outputs = new NDList();
        if (prefill > 0) {
            String part = ":,:,:" + prefill;
            LinearAttention.Result result =
                    layer.chunked(q.get(part), k.get(part), v.get(part), parameters, state);
            outputs.add(result.output());
            state = result.state();
        }
        for (int t = prefill; t < LENGTH; t++) {
            String part = ":,:," + t + ":" + (t + 1);
            LinearAttention.Result result =
                    layer.step(q.get(part), k.get(part), v.get(part), parameters, state);
            outputs.add(result.output());
            state = result.state();
        }
        return new LinearAttention.Result(NDArrays.concat(outputs, 2), state);
    }

    private static float[] expected(
            Map<String, NDArray> inputs, boolean isSum, Set<Branch> ablated) {
        float[] q = inputs.get("q").toFloatArray();
        float[] k = inputs.get("k").toFloatArray();
        float[] v = inputs.get("v").toFloatArray();
        float[] out = new float[HEADS * LENGTH * WIDTH];
        for (int h = 0; h < HEADS; h++) {
            for (int t = 0; t < LENGTH; t++) {
                double[] near = new double[WIDTH + 1];
                double[] far = new double[WIDTH + 1];
                double[] query = row(q, h * LENGTH + t);
                // LoLCATs weighs the branches after the window's largest score has become zero.
                double top = Double.NEGATIVE_INFINITY;
                for (int s = Math.max(0, t - WINDOW + 1); s <= t; s++) {
                    top = Math.max(top, dot(query, row(k, s)) / Math.sqrt(WIDTH));
                }
                for (int s = 0; s <= t; s++) {
                    double[] key = row(k, s);
                    double[] value = row(v, s);
                    if (t - s < WINDOW) {
                        add(near, Math.exp(dot(query, key) / Math.sqrt(WIDTH) - top), value);
                    }
                    if (isSum || t - s >= WINDOW) {
                        double[] a = features(query, inputs.get("feature_map_q.weight"), h);
                        double[] b = features(key, inputs.get("feature_map_k.weight"), h);
                        add(far, dot(a, b), value);
                    }
                }
                if (ablated.contains(Branch.WINDOW)) {
                    near = new double[WIDTH + 1];
                }
                if (ablated.contains(Branch.LINEAR)) {
                    far = new double[WIDTH + 1];
                }
                for (int d = 0; d < WIDTH; d++) {
                    double y;
                    if (isSum) {
                        double alpha = inputs.get("alpha").getFloat(h);
                        y = ratio(far[d], far[WIDTH]) + alpha * ratio(near[d], near[WIDTH]);
                    } else {
                        double logit = inputs.get("window_factor").getFloat(h);
                        double factor = 1 / (1 + Math.exp(-logit));
                        y = ratio(factor * near[d] + far[d], factor * near[WIDTH] + far[WIDTH]);
                    }
                    out[(h * LENGTH + t) * WIDTH + d] = (float) y;
                }
            }
        }
        return out;
    }

    private static double[] row(float[] values, int index) {
        double[] row = new double[WIDTH];
        for (int d = 0; d < WIDTH; d++) {
            row[d] = values[index * WIDTH + d];
        }
        return row;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    /** Adds a weighted value, and the weight in the last place. */
    private static void add(double[] sums, double weight, double[] value) {
        for (int d = 0; d < WIDTH; d++) {
            sums[d] += weight * value[d];
        }
        sums[WIDTH] += weight;
    }

    private static double ratio(double numerator, double denominator) {
        return denominator == 0 ? 0 : numerator / denominator;
    }

    /** Hedgehog: softmax of xW and of -xW, side by side. */
    private static double[] features(double[] x, NDArray weight, int head) {
        int width = (int) weight.getShape().get(2);
        double[] features = new double[2 * width];
        double positive = 0;
        double negative = 0;
        for (int f = 0; f < width; f++) {
            double z = 0;
            for (int d = 0; d < WIDTH; d++) {
                z += x[d] * weight.getFloat(head, d, f);
            }
            features[f] = Math.exp(z);
            features[width + f] = Math.exp(-z);
            positive += features[f];
            negative += features[width + f];
        }
        for (int f = 0; f < width; f++) {
            features[f] /= positive;
            features[width + f] /= negative;
        }
        return features;
    }
}
