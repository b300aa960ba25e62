package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.engine.Engines;
import dev.tegu.engine.TorchScript;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Queries, keys, values and layer inputs in bfloat16 and float16, parameters in float32. */
class HalfPrecisionTest {
    private static final int LENGTH = 21;
    private static final int WINDOW = 5;
    private static final AttentionShape SHAPE = new AttentionShape(4, 2, 8, 6);

    /** Sums that nothing divides leave the range of float16 where products of q and k do. */
    private static final Set<String> UNBOUNDED = Set.of("gla", "retnet", "lightning");

    static Stream<Arguments> cases() {
        List<Arguments> all = new ArrayList<>();
        for (String preset : AttentionPresets.NAMES) {
            all.add(Arguments.of(preset, "bfloat16", 15L));
            all.add(Arguments.of(preset, "float16", 5L));
        }
        return all.stream();
    }

    private static TorchScript script(long dtype) {
        return TorchScript.load(HalfPrecisionTest.class, "half.py", Map.of("dtype", dtype));
    }

    private static NDArray call(TorchScript script, String method, NDArray x) {
        return script.call(method, new TorchScript.Arguments().add(x)).get(0);
    }

    /** The chunked form on inputs that were made half precision; its output as float32. */
    private static NDList chunked(
            LinearAttention layer, TorchScript half, Map<String, NDArray> inputs) {
        Map<String, NDArray> given = new LinkedHashMap<>(inputs);
        NDArray q = call(half, "narrow", given.remove("q"));
        NDArray k = call(half, "narrow", given.remove("k"));
        NDArray v = call(half, "narrow", given.remove("v"));
        given.computeIfPresent("x", (name, x) -> call(half, "narrow", x));
        LinearAttention.Result result = layer.chunked(q, k, v, given, layer.emptyState(q, k, v));
        assertEquals(v.getDataType(), result.output().getDataType());
        assertNotEquals(DataType.FLOAT32, v.getDataType());
        Map<String, NDArray> state = result.state().tensors();
        return new NDList(
                call(half, "widen", result.output()), state.get("kv_state"), state.get("k_sum"));
    }

    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("cases")
    @DisplayName("9: half-precision inputs: outputs, states, gradients are the float32 reference's")
    void halfPrecisionIsCloseToTheReference(String preset, String name, long dtype) {
        AttentionSpec spec = AttentionCase.spec(preset, WINDOW);
        try (NDManager manager = Engines.newManager(Device.cpu());
                TorchScript half = script(dtype);
                LinearAttention layer = new LinearAttention(spec, SHAPE, 8)) {
            AttentionCase inputs = new AttentionCase(manager, spec, SHAPE, LENGTH);
            Map<String, NDArray> expected = inputs.reference().values();

            Map<String, NDArray> found = inputs.outcome(in -> chunked(layer, half, in)).values();

            assertEquals(expected.keySet(), found.keySet());
            expected.forEach(
                    (key, value) -> {
                        double error = relativeRms(found.get(key), value);
                        assertTrue(error <= 2e-2, key + " is off by " + error);
                    });
        }
    }

    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("cases")
    @DisplayName("9: scores of +-1e4, padding and a row of nothing but padding give no NaN")
    void largeScoresAndPadding(String preset, String name, long dtype) {
        AttentionSpec spec = AttentionCase.spec(preset, WINDOW);
        try (NDManager manager = Engines.newManager(Device.cpu());
                TorchScript half = script(dtype);
                LinearAttention layer = new LinearAttention(spec, SHAPE, 8)) {
            AttentionCase inputs = new AttentionCase(manager, spec, SHAPE, LENGTH);
            float[] mask = new float[2 * LENGTH];
            // row 0 is padding throughout, row 1 at its begin, its end and between
            for (int t = 3; t < LENGTH - 2; t++) {
                mask[LENGTH + t] = t == 9 ? 0 : 1;
            }
            NDArray padding = manager.create(mask, new Shape(2, LENGTH));

            Map<String, NDArray> found =
                    inputs.outcome(
                                    in -> {
                                        Map<String, NDArray> large = new LinkedHashMap<>(in);
                                        // up to 80 * 80 * 8 / sqrt(8) = 1.8e4
                                        large.put("q", Numbers.times(in.get("q"), 53));
                                        large.put("k", Numbers.times(in.get("k"), 53));
                                        large.put("mask", padding);
                                        return chunked(layer, half, large);
                                    })
                            .values();

            boolean isBounded = dtype == 15 || !UNBOUNDED.contains(preset);
            found.forEach(
                    (key, value) -> {
                        for (float x : value.toFloatArray()) {
                            assertFalse(Float.isNaN(x), key);
                            assertTrue(Float.isFinite(x) || !isBounded, key + " has " + x);
                        }
                    });
            float[] output = found.get("output").toFloatArray();
            int width = SHAPE.headDim();
            for (int i = 0; i < output.length; i++) {
                int t = i / width % LENGTH;
                int row = i / (output.length / 2);
                if (mask[row * LENGTH + t] == 0) {
                    assertEquals(0, output[i]);
                }
            }
        }
    }

    private static double relativeRms(NDArray found, NDArray expected) {
        float[] a = found.toFloatArray();
        float[] b = expected.toFloatArray();
        assertEquals(b.length, a.length);
        double difference = 0;
        double size = 0;
        for (int i = 0; i < a.length; i++) {
            difference += Math.pow((double) a[i] - b[i], 2);
            size += (double) b[i] * b[i];
        }
        // A gradient that is zero but for rounding is measured against 0.01.
        return Math.sqrt(difference / Math.max(size, 1e-4 * a.length));
    }
}
