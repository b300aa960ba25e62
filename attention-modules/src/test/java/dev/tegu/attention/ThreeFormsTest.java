package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.engine.Engines;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Reference, chunked and step form are one function: outputs, states and every gradient. */
class ThreeFormsTest {
    private static final int WINDOW = 8;
    private static final List<Integer> LENGTHS =
            List.of(1, 2, WINDOW - 1, WINDOW, WINDOW + 1, 63, 64, 65, 200);

    /** Corners that no preset stands in, but a spec file may. */
    private static final List<String> CORNERS =
            List.of(
                    "{gate: scalar, window: {size: 5, rope: false}, linear_scope: outside_window}",
                    "{window: {size: 5, sinks: 2}, linear_scope: outside_window, linear_rope: false}",
                    "{gate: {kind: scalar, per: layer}, combine: sum, normalize: false,"
                            + " window: {size: 20}, linear_scope: outside_window}",
                    "{feature_map: {kind: hedgehog, feature_dim: 3, bias: true}, combine: sum,"
                            + " window: {size: 3}, linear_scope: outside_window}",
                    "{window: {size: 7, sinks: 3}, linear_scope: none, feature_map: identity}");

    static Stream<Arguments> cases() {
        List<Arguments> all = new ArrayList<>();
        for (String preset : AttentionPresets.NAMES) {
            for (int length : LENGTHS) {
                all.add(Arguments.of(preset, length));
            }
        }
        for (String corner : CORNERS) {
            for (int length : List.of(1, 4, 21, 70)) {
                all.add(Arguments.of(corner, length));
            }
        }
        return all.stream();
    }

    @ParameterizedTest(name = "{0} T{1}")
    @MethodSource("cases")
    void formsAgreeInOutputsStatesAndGradients(String method, int length) {
        try (NDManager manager = Engines.newManager(Device.cpu())) {
            AttentionShape shape = new AttentionShape(6, 2, 8, 5);
            AttentionSpec spec = AttentionCase.spec(method, WINDOW);
            AttentionCase layer = new AttentionCase(manager, spec, shape, length);
            AttentionCase.Outcome reference = layer.reference();

            assertClose(reference, layer.pieces(64, List.of(length)), "chunked");
            assertClose(reference, layer.pieces(7, List.of(length)), "chunked by 7");
            int half = length <= 20 ? length / 2 : length - 15;
            if (half > 0) {
                assertClose(reference, layer.pieces(64, List.of(half)), "prefill, then steps");
                assertClose(reference, layer.pieces(16, List.of(1, half, length - half - 1)), "3");
            }
            if (length <= 9) {
                assertClose(reference, layer.pieces(64, List.of()), "steps");
            }
        }
    }

    @Test
    void aWindowAsLongAsTheTextIsSoftmaxAttentionExactly() {
        try (NDManager manager = Engines.newManager(Device.cpu())) {
            AttentionShape shape = new AttentionShape(6, 3, 8, 5);
            AttentionCase lolcats =
                    new AttentionCase(manager, AttentionCase.spec("lolcats", 40), shape, 40);
            AttentionCase softmax =
                    new AttentionCase(manager, AttentionCase.spec("window-only", 40), shape, 40);

            NDArray a = lolcats.pieces(64, List.of(40)).values().get("output");
            NDArray b = softmax.reference().values().get("output");

            assertTrue(relativeRms(a, b) < 1e-6, "relative RMS " + relativeRms(a, b));
        }
    }

    @Test
    void theStateDoesNotGrow() {
        try (NDManager manager = Engines.newManager(Device.cpu())) {
            AttentionShape shape = new AttentionShape(2, 1, 8, 5);
            for (String preset : AttentionPresets.NAMES) {
                AttentionSpec spec = AttentionCase.spec(preset, WINDOW);
                try (LinearAttention layer = new LinearAttention(spec, shape, 64)) {
                    long first = stateBytes(manager, layer, 1);
                    long last = stateBytes(manager, layer, 300);

                    assertEquals(first, last, preset);
                }
            }
        }
    }

    private static long stateBytes(NDManager manager, LinearAttention layer, int length) {
        AttentionCase inputs = new AttentionCase(manager, layer.spec(), layer.shape(), length);
        NDArray q = inputs.inputs.remove("q");
        NDArray k = inputs.inputs.remove("k");
        NDArray v = inputs.inputs.remove("v");
        return layer.chunked(q, k, v, inputs.inputs, layer.emptyState(q, k, v)).state().sizeBytes();
    }

    private static void assertClose(
            AttentionCase.Outcome expected, AttentionCase.Outcome found, String form) {
        assertEquals(expected.values().keySet(), found.values().keySet(), form);
        expected.values()
                .forEach(
                        (name, value) -> {
                            double error = relativeRms(found.values().get(name), value);
                            assertTrue(error <= 1e-4, form + ": " + name + " is off by " + error);
                        });
    }

    private static double relativeRms(NDArray found, NDArray expected) {
        float[] a = found.toFloatArray();
        float[] b = expected.toFloatArray();
        assertEquals(b.length, a.length);
        double difference = 0;
        double size = 0;
        for (int i = 0; i < a.length; i++) {
            difference += (double) (a[i] - b[i]) * (a[i] - b[i]);
            size += (double) b[i] * b[i];
        }
        // A gradient that is zero but for rounding (the window factor before anything has left the
        // window) is measured against 0.01 instead of against itself.
        return Math.sqrt(difference / Math.max(size, 1e-4 * a.length));
    }
}
