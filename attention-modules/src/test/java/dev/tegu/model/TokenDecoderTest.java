package dev.tegu.model;

import static dev.tegu.model.TinyStudents.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.LinearAttention;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.engine.cuda.TensorAddress;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
            assertEquals(Optional.empty(), DecodeScript.reasonAgainst(model));
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

    @Test
    void weightsMoveTogetherOnceAndStayThere() throws Exception {
        try (DecoderModel model = TinyStudents.of("lizard");
                DecoderState state = prompt(model, text(5, 1))) {
            List<Long> apart = addresses(model);
            try (Decoding plain = new TokenDecoder(model, state, false);
                    Decoding first = new TokenDecoder(model, state, true)) {
                List<Long> together = addresses(model);
                assertNotEquals(apart, together);
                for (DecoderLayer layer : model.layers()) {
                    NDArray gate = layer.weights().get("gate_proj.weight");
                    assertEquals(
                            TensorAddress.of(gate) + Float.BYTES * gate.size(),
                            TensorAddress.of(layer.weights().get("up_proj.weight")));
                }
                try (Decoding second = new TokenDecoder(model, state, true)) {
                    assertEquals(together, addresses(model));
                    float[] expected = plain.logits(new int[] {3});
                    assertArrayEquals(expected, first.logits(new int[] {3}), 1e-5f);
                    assertArrayEquals(expected, second.logits(new int[] {3}), 1e-5f);
                }
            }
        }
    }

    private static List<Long> addresses(DecoderModel model) {
        return model.layers().stream()
                .flatMap(
                        layer ->
                                Stream.of("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")
                                        .map(role -> layer.weights().get(role + ".weight")))
                .map(TensorAddress::of)
                .toList();
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
                        again.logits(column(5, 2));
                        compare(again, fast, 6, 7, 2);
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"lizard, true", "lolcats, true", "liger, true", "teacher, false"})
    void memoryOfAStudentIsConstant(String method, boolean isConstant) throws Exception {
        try (DecoderModel model = TinyStudents.of(method);
                DecoderState state = prompt(model, text(6, 1), text(6, 2));
                TokenDecoder decoder = new TokenDecoder(model, state)) {
            decoder.greedy(column(0, 2), 10);
            long after10 = decoder.sizeBytes();
            int arrays = model.manager().getManagedArrays().size();
            for (int i = 0; i < 99; i++) {
                decoder.greedy(column(i, 2), 10);
            }

            assertEquals(isConstant, decoder.sizeBytes() == after10);
            assertEquals(arrays, model.manager().getManagedArrays().size());
        }
    }

    @ParameterizedTest
    @CsvSource({"teacher, BF16", "lizard, BF16", "lolcats, BF16", "gla, BF16", "lizard, F16"})
    void halfPrecisionDecodesAsItsFloat32Model(String method, DType type) throws IOException {
        Path path = TinyModels.teacher(dir.resolve("teacher"), false, type);
        try (DecoderModel wide = load(path, method, DType.F32);
                DecoderModel half = load(path, method, type)) {
            int[][] rows = {text(5, 1), text(3, 2)};
            DecoderState start = prompt(wide, rows);
            try (Decoding reference = new LayerwiseDecoding(wide, start);
                    DecoderState halfStart = prompt(half, rows);
                    Decoding fast = new TokenDecoder(half, halfStart);
                    Decoding slow = new LayerwiseDecoding(half, halfStart.copy())) {
                List<float[]> expected = new ArrayList<>();
                List<float[]> byLayer = new ArrayList<>();
                List<float[]> found = new ArrayList<>();
                for (int step = 0; step < 24; step++) {
                    expected.add(reference.logits(column(step, 2)));
                    byLayer.add(slow.logits(column(step, 2)));
                    found.add(fast.logits(column(step, 2)));
                }
                double off = relative(expected, found);
                double usual = relative(expected, byLayer);
                // sums that nothing divides pass the rounding of q and k on
                double bound = method.equals("gla") ? 3e-2 : 2e-2;
                assertTrue(off <= bound, "off by " + off + ", layer by layer by " + usual);
                assertTrue(off <= 1.25 * usual, "off by " + off + ", layer by layer by " + usual);
                fast.keep(1);
                Path file = dir.resolve("state");
                try (DecoderState state = fast.state()) {
                    state.save(file);
                    assertEquals(slow.sizeBytes() / 2, state.sizeBytes());
                }
                float[] next = fast.logits(new int[] {4});
                try (DecoderState loaded = DecoderState.load(file, half);
                        Decoding again = new TokenDecoder(half, loaded)) {
                    assertArrayEquals(next, again.logits(new int[] {4}), 1e-2f);
                }
            }
        }
    }

    private static DecoderModel load(Path path, String method, DType type) throws IOException {
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(path)) {
            Optional<String> student = Optional.of(method).filter(m -> !m.equals("teacher"));
            ModelConfig config =
                    ModelConfig.parse(files.config(), "test")
                            .withLinearAttention(student.map(TinyStudents::spec));
            DecoderModel model = DecoderModel.load(files, config, Device.cpu(), 3, type, false);
            TinyModels.disturb(model);
            return model;
        }
    }

    /** Root mean square of the difference over that of what is expected. */
    private static double relative(List<float[]> expected, List<float[]> found) {
        double off = 0;
        double size = 0;
        for (int step = 0; step < expected.size(); step++) {
            for (int i = 0; i < expected.get(step).length; i++) {
                off += Math.pow((double) expected.get(step)[i] - found.get(step)[i], 2);
                size += Math.pow(expected.get(step)[i], 2);
            }
        }
        return Math.sqrt(off / size);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "lolcats-terrace | `window.shape`",
                "window-sinks | `window.keep_first`",
                "{window: {size: 4}, gate: scalar, linear_scope: outside_window} | gates",
                "{window: {size: 4}, linear_rope: false, linear_scope: outside_window} | rotate",
                "{window: {size: 4}, linear_scope: none, combine: sum} | `combine: sum`",
                "{feature_map: identity} | may be 0",
            })
    void otherMethodsGoLayerByLayer(String method, String reason) throws Exception {
        try (DecoderModel model = TinyStudents.of(method);
                DecoderState state = prompt(model, text(3, 1))) {
            assertTrue(DecodeScript.reasonAgainst(model).orElseThrow().contains(reason));
            assertThrows(
                    IllegalArgumentException.class, () -> new TokenDecoder(model, state).close());
        }
    }

    @Test
    void droppedInputsAndAblatedBranchesGoLayerByLayer() throws Exception {
        try (DecoderModel model = TinyStudents.of("lizard")) {
            DecoderLayer layer = model.layers().get(1);
            layer.dropAdapterInputs(model.manager().create(0.1f));
            assertTrue(DecodeScript.reasonAgainst(model).orElseThrow().contains("dropped"));
            layer.keepAdapterInputs();
            assertEquals(Optional.empty(), DecodeScript.reasonAgainst(model));
            ModelWriter.of(model, TinyStudents.config("lizard"), DType.F32).write(dir.resolve("s"));
        }
        try (DecoderModel model =
                DecoderModel.load(
                        dir.resolve("s"), Device.cpu(), Set.of(LinearAttention.Branch.WINDOW))) {
            assertTrue(DecodeScript.reasonAgainst(model).orElseThrow().contains("taken away"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "lizard", "{window: {size: 4}, keep_softmax: [1]}"})
    void burstsGiveTheSameTokensAndSoDoRowsThatStop(String method) throws Exception {
        List<int[]> prompts = List.of(text(7, 1), text(2, 2), text(4, 3));
        try (DecoderModel model = TinyStudents.of(method)) {
            Generator generator = new Generator(model);
            int tokens = 2 * Generator.BURST + 3;
            List<List<Integer>> expected = new ArrayList<>();
            try (Decoding slow = new LayerwiseDecoding(model, prompt(model, text(7, 1)))) {
                for (int[] prompt : prompts) {
                    // one row that is heard: a token at a time
                    Generator.Settings one =
                            new Generator.Settings(tokens, 0, 0, OptionalInt.empty());
                    expected.add(generator.generate(prompt, one, t -> {}).tokens());
                }
                int first = expected.get(0).get(0);
                List<Integer> row = new ArrayList<>(List.of(first));
                for (int[] next : slow.greedy(new int[] {first}, tokens - 1)) {
                    row.add(next[0]);
                }
                assertEquals(row, expected.get(0));
            }

            List<Generator.Generated> burst =
                    generator.generate(
                            prompts, new Generator.Settings(tokens, 0, 0, OptionalInt.empty()));

            assertEquals(expected, burst.stream().map(Generator.Generated::tokens).toList());
            int stop = expected.get(1).get(5);
            List<Generator.Generated> stopped =
                    generator.generate(
                            prompts, new Generator.Settings(tokens, 0, 0, OptionalInt.of(stop)));
            for (int i = 0; i < prompts.size(); i++) {
                int end = expected.get(i).indexOf(stop);
                assertEquals(
                        expected.get(i).subList(0, end < 0 ? tokens : end),
                        stopped.get(i).tokens());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "lizard"})
    void weightsInOnePieceAreTheSameWeights(String method) throws Exception {
        try (DecoderModel model = TinyStudents.of(method)) {
            adapt(model, "q_proj", "up_proj");
            float[] weight = model.layers().get(1).weights().get("k_proj.weight").toFloatArray();
            float[] whole = TinyStudents.alone(model, text(9, 2));
            try (DecoderState state = prompt(model, text(5, 1))) {
                for (int time = 0; time < 2; time++) {
                    try (Decoding fast = new TokenDecoder(model, state, true);
                            Decoding slow = new LayerwiseDecoding(model, state.copy())) {
                        compare(fast, slow, 0, 8, 1);
                    }
                }
            }
            assertArrayEquals(
                    weight, model.layers().get(1).weights().get("k_proj.weight").toFloatArray());
            assertArrayEquals(whole, TinyStudents.alone(model, text(9, 2)));
            // parts of one piece: what is written to one is seen by a decoder that was there before
            try (DecoderState state = prompt(model, text(5, 1));
                    Decoding fast = new TokenDecoder(model, state, true);
                    Decoding same = new TokenDecoder(model, state)) {
                model.layers().forEach(l -> l.weights().get("v_proj.weight").muli(3));
                float[] changed = fast.logits(new int[] {3});
                assertTrue(TinyModels.distance(changed, same.logits(new int[] {3})) < TOLERANCE);
                assertTrue(
                        TinyModels.distance(changed, TinyStudents.next(model, state, new int[] {3}))
                                < TOLERANCE);
            }
        }
    }

    @Test
    void theCheckForAGpuRunsOnACpu() throws Exception {
        assertTrue(DecodeOnDevice.check(dir.resolve("m"), "lizard", DType.BF16, Device.cpu()));
    }

    @Test
    void theCheckOfGraphsRunsOnACpu() throws Exception {
        try (DecoderModel model =
                DecodeOnDevice.model(dir.resolve("m"), "lizard", DType.F32, Device.cpu())) {
            assertTrue(DecodeScript.reasonAgainstGraph(model).orElseThrow().contains("GPU"));
            assertEquals("", GraphOnDevice.difference(model, 40));
        }
    }

    @Test
    void noMoreTokensThanABurstAtOnce() throws Exception {
        try (DecoderModel model = TinyStudents.of("lizard");
                DecoderState state = prompt(model, text(3, 1));
                Decoding fast = new TokenDecoder(model, state)) {
            for (int count : new int[] {0, Generator.BURST + 1}) {
                assertThrows(
                        IllegalArgumentException.class, () -> fast.greedy(new int[] {1}, count));
            }
            assertEquals(Generator.BURST, fast.greedy(new int[] {1}, Generator.BURST).length);
        }
    }
}
