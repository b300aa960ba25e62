package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Reference, chunked and step form are one function: outputs, states and every gradient. */
class ThreeFormsTest {
    private static final int WINDOW = 8;
    private static final double TOLERANCE = 1e-4;
    private static final List<Integer> LENGTHS =
            List.of(1, 2, WINDOW - 1, WINDOW, WINDOW + 1, 63, 64, 65, 127);

    /** One head; six with key/value heads of their own, shared by two, and by all six. */
    private static final List<AttentionShape> SHAPES =
            List.of(
                    new AttentionShape(1, 1, 8, 5),
                    new AttentionShape(6, 6, 8, 5),
                    new AttentionShape(6, 3, 8, 5),
                    new AttentionShape(6, 1, 8, 5));

    private static final List<Integer> CHUNK_SIZES = List.of(64, 7, 16, 33);

    /** Compiled layers, since a compilation takes longer than a case. */
    private static final Map<List<Object>, LinearAttention> LAYERS = new HashMap<>();

    private static LinearAttention layer(AttentionSpec spec, AttentionShape shape, int chunkSize) {
        return LAYERS.computeIfAbsent(
                List.of(spec, shape, chunkSize),
                key -> new LinearAttention(spec, shape, chunkSize));
    }

    @AfterAll
    static void close() {
        LAYERS.values().forEach(LinearAttention::close);
        LAYERS.clear();
    }

    static Stream<Arguments> cases() {
        List<Arguments> all = new ArrayList<>();
        for (String preset : AttentionPresets.NAMES) {
            for (int shape = 0; shape < SHAPES.size(); shape++) {
                for (int length : LENGTHS) {
                    all.add(Arguments.of(preset, shape, length));
                }
            }
        }
        return all.stream();
    }

    @ParameterizedTest(name = "{0} shape {1} T{2}")
    @MethodSource("cases")
    void formsAgreeInOutputsStatesAndGradients(String method, int shapeIndex, int length) {
        try (NDManager manager = TestDevice.newManager()) {
            AttentionShape shape = SHAPES.get(shapeIndex);
            AttentionSpec spec = AttentionCase.spec(method, WINDOW);
            // Under a norm the length of the first key cancels: its gradient is the difference of
            // large numbers, in float32 nothing but rounding; in the shortest texts it counts.
            boolean cancels = spec.outputNorm() && length <= 2;
            DataType type = cancels ? DataType.FLOAT64 : DataType.FLOAT32;
            AttentionCase inputs = new AttentionCase(manager, spec, shape, 2, length, type);
            AttentionCase.Outcome reference = inputs.reference();
            int size = CHUNK_SIZES.get((shapeIndex + length) % CHUNK_SIZES.size());
            LinearAttention layer = layer(spec, shape, size);

            reference.assertClose(
                    inputs.pieces(layer, List.of(length)), TOLERANCE, "chunked by " + size);
            int half = length <= 20 ? length / 2 : length - 15;
            if (half > 0) {
                List<Integer> three = List.of(1, half, length - half - 1);
                reference.assertClose(
                        inputs.pieces(layer, List.of(half)), TOLERANCE, "prefill, then steps");
                if (length - half - 1 > 0) {
                    reference.assertClose(
                            inputs.pieces(layer, three), TOLERANCE, "three pieces by " + size);
                }
            }
            if (length <= 9 || length == 127 && shapeIndex == 2) {
                reference.assertClose(inputs.pieces(layer, List.of()), TOLERANCE, "steps");
            }
        }
    }

    static Stream<Arguments> longCases() {
        return AttentionPresets.NAMES.stream()
                .map(name -> Arguments.of(name, AttentionPresets.NAMES.indexOf(name) % 4));
    }

    @ParameterizedTest(name = "{0} shape {1}")
    @MethodSource("longCases")
    void formsAgreeOverAThousandTokens(String method, int shapeIndex) {
        try (NDManager manager = TestDevice.newManager()) {
            AttentionShape shape = SHAPES.get(shapeIndex);
            AttentionSpec spec = AttentionCase.spec(method, WINDOW);
            AttentionCase inputs = new AttentionCase(manager, spec, shape, 1, 1000);
            AttentionCase.Outcome reference = inputs.reference();

            for (int size : List.of(64, 16)) {
                reference.assertClose(
                        inputs.pieces(layer(spec, shape, size), List.of(1000)),
                        TOLERANCE,
                        "chunked by " + size);
            }
            reference.assertClose(
                    inputs.pieces(layer(spec, shape, 64), List.of(300, 1, 650)),
                    TOLERANCE,
                    "three pieces, then steps");
        }
    }

    @Test
    void aWindowAsLongAsTheTextIsSoftmaxAttentionExactly() {
        try (NDManager manager = TestDevice.newManager()) {
            AttentionShape shape = new AttentionShape(6, 3, 8, 5);
            AttentionCase lolcats =
                    new AttentionCase(manager, AttentionCase.spec("lolcats", 40), shape, 40);
            AttentionCase softmax =
                    new AttentionCase(manager, AttentionCase.spec("window-only", 40), shape, 40);

            NDArray a = lolcats.pieces(64, List.of(40)).values().get("output");
            NDArray b = softmax.reference().values().get("output");

            double error = AttentionCase.relativeRms(a, b);
            assertTrue(error < 1e-6, "relative RMS " + error);
        }
    }

    @Test
    void theStateDoesNotGrow() {
        try (NDManager manager = TestDevice.newManager()) {
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
}
