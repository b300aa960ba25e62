package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.engine.Engines;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The reference form's gradients are its slopes, in float64. */
class FiniteDifferenceTest {
    private static final double STEP = 1e-6;
    private static final AttentionShape SHAPE = new AttentionShape(2, 1, 4, 3);

    static Stream<String> methods() {
        List<String> all = new ArrayList<>(AttentionPresets.NAMES);
        all.add(
                "{feature_map: hedgehog_joint, gate: {kind: mamba2}, window: {size: 2}, combine: sum}");
        all.add("{feature_map: elu, gate: {kind: key_pool, pool: mean}, linear_scale: true}");
        all.add(
                "{feature_map: hedgehog_exp, window: {size: 2, shape: terrace, keep_first: 1, sinks: 2},"
                        + " linear_scope: outside_window, combine: {kind: shared_denominator,"
                        + " affine: true}}");
        return all.stream();
    }

    @ParameterizedTest
    @MethodSource("methods")
    void gradientsAreSlopes(String method) {
        AttentionSpec spec = AttentionCase.spec(method, 2);
        try (NDManager manager = Engines.newManager(Device.cpu())) {
            AttentionCase layer = new AttentionCase(manager, spec, SHAPE, 1, 7, DataType.FLOAT64);
            Map<String, NDArray> gradients = layer.reference().values();
            SplittableRandom random = new SplittableRandom(5);
            for (String name : List.copyOf(layer.inputs.keySet())) {
                NDArray input = layer.inputs.get(name);
                if (!gradients.containsKey("grad." + name)) {
                    continue;
                }
                double[] expected =
                        gradients
                                .get("grad." + name)
                                .toType(DataType.FLOAT64, false)
                                .toDoubleArray();
                for (int sample = 0; sample < 5; sample++) {
                    int at = random.nextInt(expected.length);
                    double up = loss(layer, name, input, at, STEP);
                    double down = loss(layer, name, input, at, -STEP);
                    double slope = (up - down) / (2 * STEP);
                    double bound = 1e-7 * Math.max(1, Math.abs(slope));
                    assertEquals(slope, expected[at], bound, name + "[" + at + "]");
                }
            }
        }
    }

    /** The sum that the case differentiates, with one number moved. */
    private static double loss(AttentionCase layer, String name, NDArray input, int at, double by) {
        NDManager manager = input.getManager();
        double[] values = input.toDoubleArray();
        values[at] += by;
        Shape shape = input.getShape();
        try (NDManager scope = manager.newSubManager()) {
            Map<String, NDArray> moved = new TreeMap<>();
            layer.inputs.forEach(
                    (key, value) -> {
                        NDArray copy = value.duplicate();
                        copy.attach(scope);
                        moved.put(key, copy);
                    });
            moved.put(name, scope.create(values, shape));
            NDArray output =
                    new ReferenceAttention(layer.spec, layer.shape)
                            .attend(moved.get("q"), moved.get("k"), moved.get("v"), moved)
                            .output();
            return output.mul(layer.gradOutput()).sum().getDouble();
        }
    }
}
