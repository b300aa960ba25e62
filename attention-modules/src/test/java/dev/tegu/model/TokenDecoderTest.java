package dev.tegu.model;

import static dev.tegu.model.TinyStudents.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionPresets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** One call a token for the whole model, in place, against the layers' step form. */
class TokenDecoderTest {
    private static final double TOLERANCE = 1e-4;

    /** Methods that this way does not serve, with a word of the reason. */
    private static final List<String> OTHERS = List.of("lolcats-terrace", "window-sinks");

    @TempDir Path dir;

    /** Each preset, and switches that no preset has. */
    static Stream<String> methods() {
        return Stream.concat(
                Stream.concat(Stream.of("teacher"), AttentionPresets.NAMES.stream())
                        .filter(method -> !OTHERS.contains(method)),
                Stream.of(
                        "{window: {size: 4, sinks: 2}, linear_scope: outside_window}",
                        "{window: {size: 4, rope: false}, linear_rope: true, combine: sum}",
                        "{window: {size: 4}, linear_scope: outside_window, combine: sum}",
                        "{window: {size: 4}, combine: {kind: shared_denominator, affine: true}}",
                        "{window: {size: 4}, linear_scope: none, gate: none, keep_softmax: [1]}",
                        "{window: {size: 4}, gate: mamba2, keep_softmax: [0, 2], combine: average}",
                        "{feature_map: {kind: hedgehog, skip: true, tied: true, sharing: layer}}",
                        "{feature_map: hedgehog_joint, gate: {kind: low_rank_vector, per: layer}}",
                        "{feature_map: elu, linear_scale: true, window: {size: 1}}"));
    }

    private static DecoderState prompt(DecoderModel model, int[]... rows) {
        DecoderState state = model.newState();
        try (NDManager scope = model.manager().newSubManager()) {
            model.forward(TokenBatch.padded(scope, List.of(rows), TokenBatch.Side.LEFT), state);
        }
        return state;
    }

    private static int[] column(int step, int rows) {
        int[] tokens = new int[rows];
        for (int row = 0; row < rows; row++) {
            tokens[row] = (5 * step * step + 3 * row + 7 * step) % 40;
        }
        return tokens;
    }

    /** Logits of the same tokens both ways, a fixed text that neither chooses. */
    private static void compare(Decoding fast, Decoding slow, int from, int to, int rows) {
        for (int step = from; step < to; step++) {
            int[] tokens = column(step, rows);
            float[] expected = slow.logits(tokens);
            double off = TinyModels.distance(expected, fast.logits(tokens));
            assertTrue(off <= TOLERANCE, "token " + step + " off by " + off);
        }
    }

    @ParameterizedTest
    @MethodSource("methods")
    void logitsAreTheStepForms(String method) throws Exception {
        List<int[][]> prompts =
                List.of(
                        new int[][] {text(3, 1), text(3, 2)},
                        new int[][] {text(9, 1), text(1, 2), text(4, 3)});
        try (DecoderModel model = TinyStudents.of(method)) {
            assertEquals(Optional.empty(), TokenDecoder.reasonAgainst(model));
            for (int[][] rows : prompts) {
                DecoderState state = prompt(model, rows);
                try (Decoding fast = new TokenDecoder(model, state);
                        Decoding slow = new LayerwiseDecoding(model, state)) {
                    compare(fast, slow, 0, 12, rows.length);
                    assertArrayEquals(
                            slow.greedy(column(12, rows.length), 6),
                            fast.greedy(column(12, rows.length), 6));
                    int[] last = {1, 0};
                    slow.keep(last);
                    fast.keep(last);
                    compare(fast, slow, 13, 19, 2);
                }
            }
        }
    }

    private static void adapt(DecoderModel model, String... roles) {
        for (DecoderLayer layer : model.layers()) {
            NDManager manager = model.manager();
            NDArray scale = manager.create(0.7f);
            for (String role : roles) {
                Shape weight = layer.weights().get(role + ".weight").getShape();
                NDArray a = manager.zeros(new Shape(2, weight.get(1)));
                NDArray b = manager.zeros(new Shape(weight.get(0), 2));
                TinyModels.add(a, 0.3, role.hashCode());
                TinyModels.add(b, 0.3, role.length());
                layer.attachAdapter(role, a, b, scale);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "q_proj v_proj",
                "k_proj o_proj up_proj",
                "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj"
            })
    void adaptersAreJoined(String roles) throws Exception {
        ObjectNode teacher = TinyModels.config(true).put("mlp_bias", true);
        try (DecoderModel model = TinyStudents.of("lizard", teacher);
                DecoderState state = prompt(model, text(5, 1))) {
            try (Decoding before = new TokenDecoder(model, state)) {
                float[] without = before.logits(new int[] {3});
                adapt(model, roles.split(" "));
                try (Decoding fast = new TokenDecoder(model, state);
                        Decoding slow = new LayerwiseDecoding(model, state.copy())) {
                    float[] with = fast.logits(new int[] {3});
                    assertTrue(TinyModels.distance(without, with) > 1e-2);
                    assertTrue(TinyModels.distance(slow.logits(new int[] {3}), with) <= TOLERANCE);
                    compare(fast, slow, 0, 8, 1);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "lizard", "lolcats"})
    void threeHundredTokensLaterItIsTheSame(String method) throws Exception {
        try (DecoderModel model = TinyStudents.of(method)) {
            DecoderState state = prompt(model, text(6, 1), text(2, 2));
            try (Decoding fast = new TokenDecoder(model, state);
                    Decoding slow = new LayerwiseDecoding(model, state)) {
                compare(fast, slow, 0, 300, 2);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"lizard", "lolcats", "gla", "window-only", "teacher"})
    void theStateGoesOnTheOtherWay(String method) throws Exception {
        for (boolean isRagged : new boolean[] {false, true}) {
            int[][] rows = {text(5, 1), text(isRagged ? 2 : 5, 2)};
            try (DecoderModel model = TinyStudents.of(method)) {
                DecoderState prompt = prompt(model, rows);
                try (Decoding fast = new TokenDecoder(model, prompt);
                        Decoding slow = new LayerwiseDecoding(model, prompt)) {
                    for (int step = 0; step < 5; step++) {
                        fast.logits(column(step, 2));
                        slow.logits(column(step, 2));
                    }
                    Path file = dir.resolve(method + isRagged);
                    try (DecoderState state = fast.state();
                            DecoderState expected = slow.state()) {
                        assertArrayEquals(expected.lengths(), state.lengths());
                        assertEquals(expected.sizeBytes(), state.sizeBytes());
                        state.save(file);
                    }
                    DecoderState loaded = DecoderState.load(file, model);
                    try (Decoding on = new LayerwiseDecoding(model, loaded);
                            Decoding again = new TokenDecoder(model, loaded)) {
                        compare(on, slow, 5, 12, 2);
                        fast.logits(column(5, 2));
                        compare(again, fast, 6, 7, 2);
                    }
                }
            }
        }
    }
}
