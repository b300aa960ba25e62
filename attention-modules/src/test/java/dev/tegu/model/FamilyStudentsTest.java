package dev.tegu.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.KeepSoftmax;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.config.ConfigNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Students of every family: forms that agree, files that come back, and what is refused. */
class FamilyStudentsTest {
    private static final double TOLERANCE = 2e-5;

    /** Families whose tokens go layer by layer. */
    private static final Set<String> LAYERWISE =
            Set.of("gemma2", "olmo2", "mixtral", "phi3-longrope");

    @TempDir Path dir;

    static Stream<Arguments> cases() {
        return Families.all()
                .flatMap(
                        name ->
                                Stream.of("lolcats", "lizard")
                                        .map(method -> Arguments.of(name, method)));
    }

    /** The middle layer stays softmax, so that caches and windows are met, too. */
    private static Optional<AttentionSpec> spec(String method) {
        return Optional.of(
                TinyStudents.spec(method).withKeepSoftmax(KeepSoftmax.layers(List.of(1))));
    }

    private static int[] text(int from, int to) {
        int[] ids = new int[to - from];
        for (int i = from; i < to; i++) {
            ids[i - from] = (7 * i * i + 3 * i + 2) % 160;
        }
        return ids;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void wholeTextsPiecesTokensAndPaddedRowsAgree(String name, String method) throws IOException {
        try (DecoderModel model = Families.random(name, spec(method))) {
            if (model.config().switches().longRope().isEmpty()) {
                comparePieces(model);
            }
            comparePadding(model);
            Optional<String> reason = DecodeScript.reasonAgainst(model);
            assertEquals(LAYERWISE.contains(name), reason.isPresent(), reason::toString);
            if (reason.isEmpty()) {
                compareTokens(model, text(0, 3), text(5, 8));
                compareTokens(model, text(0, 12), text(3, 5));
            }
        }
    }

    /** Weights of half precision, which every switch must let through, in every form. */
    @ParameterizedTest
    @MethodSource("own")
    void bfloat16IsNearFloat32AndItsTokensAgree(String name) throws IOException {
        Path path = Families.path(name, dir);
        AttentionSpec method = spec("lizard").orElseThrow();
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(path)) {
            ModelConfig config =
                    ModelConfig.parse(files.config(), "test")
                            .withLinearAttention(Optional.of(method));
            try (DecoderModel wide = DecoderModel.load(files, config, Device.cpu(), 3);
                    DecoderModel half =
                            DecoderModel.load(files, config, Device.cpu(), 3, DType.BF16, false);
                    NDManager scope = half.manager().newSubManager();
                    DecoderState state = half.newState()) {
                double off =
                        relative(
                                TinyStudents.alone(wide, text(0, 20)),
                                TinyStudents.alone(half, text(0, 20)));
                assertTrue(off > 0 && off < 0.15, "off by " + off);
                half.teacher(TinyStudents.batch(scope, text(0, 20))).close();
                half.forward(TinyStudents.batch(scope, text(0, 12)), state);
                if (DecodeScript.reasonAgainst(half).isEmpty()) {
                    try (Decoding fast = new TokenDecoder(half, state);
                            Decoding slow = new LayerwiseDecoding(half, state.copy())) {
                        for (int token = 3; token < 9; token++) {
                            double apart =
                                    relative(
                                            slow.logits(new int[] {token}),
                                            fast.logits(new int[] {token}));
                            assertTrue(apart < 0.05, "token " + token + " off by " + apart);
                        }
                    }
                }
            }
        }
    }

    static Stream<String> own() {
        return Families.OWN.stream();
    }

    private static void comparePieces(DecoderModel model) {
        try (DecoderState state = model.newState()) {
            int[][] pieces = {text(0, 9), text(9, 20), text(20, 21), text(21, 22)};
            float[] whole = TinyStudents.alone(model, text(0, 22));
            int at = 0;
            for (int[] piece : pieces) {
                float[] found = TinyStudents.next(model, state, piece);
                assertNear(Arrays.copyOfRange(whole, at, at + found.length), found, "after " + at);
                at += found.length;
            }
            assertEquals(at, whole.length);
        }
    }

    /** Rows of different lengths, padded on either side, are read as each by itself. */
    private static void comparePadding(DecoderModel model) {
        int[] shorter = text(30, 41);
        for (TokenBatch.Side side : TokenBatch.Side.values()) {
            try (NDManager scope = model.manager().newSubManager()) {
                List<int[]> rows = List.of(text(0, 14), shorter);
                float[] both =
                        model.logits(model.forward(TokenBatch.padded(scope, rows, side)))
                                .toFloatArray();
                int from = 14 + (side == TokenBatch.Side.LEFT ? 3 : 0);
                float[] found = Arrays.copyOfRange(both, from * 160, (from + 11) * 160);

                assertNear(TinyStudents.alone(model, shorter), found, side.toString());
            }
        }
    }

    /** One call a token against the layers, in rows of one length and of two. */
    private static void compareTokens(DecoderModel model, int[]... rows) {
        try (DecoderState state = model.newState();
                NDManager scope = model.manager().newSubManager()) {
            model.forward(TokenBatch.padded(scope, List.of(rows), TokenBatch.Side.LEFT), state);
            try (Decoding fast = new TokenDecoder(model, state);
                    Decoding slow = new LayerwiseDecoding(model, state.copy())) {
                for (int step = 0; step < 14; step++) {
                    int[] tokens = {(5 * step * step + 7) % 160, (3 * step + 1) % 160};
                    assertNear(slow.logits(tokens), fast.logits(tokens), "token " + step);
                }
            }
        }
    }

    /** Beside the largest of the numbers. */
    private static void assertNear(float[] expected, float[] found, String what) {
        double off = relative(expected, found);
        assertTrue(off <= TOLERANCE, what + " off by " + off);
    }

    private static double relative(float[] expected, float[] found) {
        double largest = TinyModels.distance(expected, new float[expected.length]);
        return TinyModels.distance(expected, found) / largest;
    }

    @ParameterizedTest
    @MethodSource("names")
    void aWindowAsLongAsTheTextIsTheTeacher(String name) throws IOException {
        AttentionSpec method =
                TinyModels.spec("{window: {size: 64}, linear_scope: none, gate: none}");
        try (DecoderModel student = Families.random(name, Optional.of(method));
                NDManager scope = student.manager().newSubManager()) {
            boolean isEqual =
                    student.config().notes().stream()
                            .noneMatch(note -> note.contains("softmax layers"));
            TokenBatch batch = TinyStudents.batch(scope, text(0, 20), text(20, 40));

            double off =
                    relative(
                            student.teacher(batch).toFloatArray(),
                            student.forward(batch).toFloatArray());

            assertEquals(isEqual, off <= TOLERANCE, "off by " + off);
        }
    }

    static Stream<String> names() {
        return Families.all();
    }

    @ParameterizedTest
    @MethodSource("names")
    void whatIsWrittenFromMemoryOrCopiedComesBack(String name) throws IOException {
        ObjectNode config = Families.config(name);
        Path teacher = dir.resolve("teacher");
        Path student = dir.resolve("student");
        Path again = dir.resolve("again");
        AttentionSpec method = TinyStudents.spec("lizard");
        float[] expected;
        try (DecoderModel model = Families.random(config)) {
            expected = TinyModels.logits(model);
            ModelWriter.of(model, config, DType.F32).write(teacher);
        }
        assertArrayEquals(expected, TinyModels.logits(teacher));

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter.student(files, method, 3).write(student);
            ModelConfig asked =
                    ModelConfig.parse(files.config(), "test")
                            .withLinearAttention(Optional.of(method));
            try (DecoderModel direct = DecoderModel.load(files, asked, Device.cpu(), 3)) {
                assertArrayEquals(TinyModels.logits(direct), TinyModels.logits(student));
            }
        }

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(student);
                DecoderModel trained =
                        DecoderModel.load(
                                files,
                                ModelConfig.parse(files.config(), "test"),
                                Device.cpu(),
                                3,
                                DType.F32,
                                true)) {
            trained.layers().forEach(layer -> layer.weights().values().forEach(w -> w.muli(1.05)));
            ModelWriter.copyOf(files).parameters(trained).weights(trained).write(again);
            assertArrayEquals(TinyModels.logits(trained), TinyModels.logits(again));
        }
        try (SafetensorsFile before = SafetensorsFile.open(student.resolve("model.safetensors"));
                SafetensorsFile after = SafetensorsFile.open(again.resolve("model.safetensors"))) {
            before.tensors()
                    .forEach((t, info) -> assertEquals(info.shape(), after.info(t).shape(), t));
        }
    }

    /** Each map's change lands on its own rows of the stored tensor, in blocks and in one piece. */
    @ParameterizedTest
    @MethodSource("names")
    void changesOfMapsThatShareATensorAreMadeTogether(String name) throws IOException {
        ObjectNode config = Families.config(name);
        Path teacher = dir.resolve("teacher");
        Path output = dir.resolve("changed");
        float[] expected;
        try (DecoderModel model = Families.random(config)) {
            ModelWriter.of(model, config, DType.F32).write(teacher);
            model.layers().get(1).weights().get("k_proj.weight").muli(3);
            model.layers().get(1).weights().get("q_proj.weight").muli(0.5);
            expected = TinyModels.logits(model);
        }

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter writer = ModelWriter.copyOf(files);
            for (ModelLayout.Entry entry : new ModelLayout(writer.model()).layer(1)) {
                if (entry.role().equals("k_proj.weight")) {
                    writer.change(entry, (rows, from) -> rows.mul(3));
                } else if (entry.role().equals("q_proj.weight")) {
                    writer.change(entry, (rows, from) -> rows.mul(0.5));
                }
            }
            writer.write(output);
        }

        assertArrayEquals(expected, TinyModels.logits(output));
    }

    @Test
    void aFusedTensorOfOtherRowsIsNamed() throws IOException {
        Path path = Families.path("phi3-window", dir);
        ObjectNode config = Families.config("phi3-window").put("num_key_value_heads", 4);
        Files.writeString(path.resolve("config.json"), config.toString());

        CheckpointException thrown =
                assertThrows(
                        CheckpointException.class, () -> DecoderModel.load(path, Device.cpu()));

        assertTrue(
                thrown.getMessage()
                        .contains(
                                "3 not as config.json asks:"
                                        + " `model.layers.0.self_attn.qkv_proj.weight`: expected"
                                        + " [96, 32], found [64, 32]"),
                thrown.getMessage());
    }

    @ParameterizedTest
    @CsvSource({
        "gpt2, transformer.h.1.attn.bias, true",
        "gpt2, transformer.h.1.attn.masked_bias, true",
        "gpt2, transformer.h.x.attn.bias, false",
        "gpt_neox-parallel, gpt_neox.layers.0.attention.bias, true",
        "gpt_neox-parallel, gpt_neox.layers.0.attention.rotary_emb.inv_freq, true",
        "phi, model.layers.0.self_attn.masked_bias, false"
    })
    void leftoversOfOldFilesAreKnownByName(String name, String tensor, boolean isIgnored)
            throws IOException {
        ObjectNode config = Families.config(name);
        Path path = dir.resolve("old");
        try (DecoderModel model = Families.random(config)) {
            ModelWriter.of(model, config, DType.F32).write(path);
        }
        Path weights = path.resolve("model.safetensors");
        Path more = dir.resolve("more.safetensors");
        try (SafetensorsFile file = SafetensorsFile.open(weights)) {
            Map<String, TensorSource> all = new TreeMap<>();
            file.tensors().keySet().forEach(t -> all.put(t, TensorSource.of(file, t)));
            all.put(tensor, TensorSource.of(DType.U8, List.of(4L), () -> ByteBuffer.allocate(4)));
            SafetensorsWriter.replace(more, all);
        }
        Files.move(more, weights, StandardCopyOption.REPLACE_EXISTING);

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(path)) {
            List<String> faults =
                    LayoutCheck.faults(files, ModelConfig.parse(files.config(), "config.json"));

            assertEquals(isIgnored, faults.isEmpty(), faults.toString());
        }
    }

    @Test
    void namesOfTheFirstUploadsAreCompleted() throws IOException {
        Path path = Families.path("gpt2-n_inner", dir);
        Path weights = path.resolve("model.safetensors");
        Path renamed = dir.resolve("renamed.safetensors");
        float[] expected = TinyModels.logits(path);
        try (SafetensorsFile file = SafetensorsFile.open(weights)) {
            Map<String, TensorSource> all = new TreeMap<>();
            file.tensors()
                    .keySet()
                    .forEach(t -> all.put(t.replace("transformer.", ""), TensorSource.of(file, t)));
            SafetensorsWriter.replace(renamed, all);
        }
        Files.move(renamed, weights, StandardCopyOption.REPLACE_EXISTING);
        Path student = dir.resolve("student");

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(path)) {
            ModelWriter.student(files, TinyStudents.spec("lizard"), 3).write(student);
        }

        assertArrayEquals(expected, TinyModels.logits(path));
        try (SafetensorsFile written = SafetensorsFile.open(student.resolve("model.safetensors"))) {
            written.tensors().keySet().forEach(t -> assertTrue(t.startsWith("transformer."), t));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "phi | qk_layernorm | true | layer norms of queries and keys",
                "gpt2 | scale_attn_weights | false | not divided by sqrt(head_dim)",
                "gpt2 | scale_attn_by_inverse_layer_idx | true | divided by the layer's number",
                "gpt2 | add_cross_attention | true | attention to an encoder",
                "gemma2 | use_bidirectional_attention | true | attention to later tokens"
            })
    void whatIsNotComputedIsRefusedWithTheReason(
            String name, String key, boolean value, String reason) throws IOException {
        ObjectNode config = Families.config(name).put(key, value);

        CheckpointException thrown =
                assertThrows(
                        CheckpointException.class, () -> ModelConfig.parse(config, "config.json"));

        assertTrue(thrown.getMessage().startsWith("config.json: `" + key + "`: is " + value));
        assertTrue(thrown.getMessage().contains(reason), thrown.getMessage());
        ModelConfig.parse(Families.config(name).put(key, !value), "config.json");
        ModelConfig.parse(Families.config(name).putNull(key), "config.json");
    }

    @ParameterizedTest
    @CsvSource({
        "llama, 0",
        "gpt2, 1",
        "mistral-window, 1",
        "mistral-head_dim, 0",
        "qwen2, 1",
        "phi3-longrope, 1",
        "phi3-window, 1",
        "gemma2, 2",
        "olmo2, 0"
    })
    void notesAreOfTheModelAtHand(String name, int count) throws IOException {
        assertEquals(count, ModelConfig.parse(Families.config(name), "test").notes().size());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "mistral-window | {} | [8, 8, 8]",
                "mistral-window | {sliding_window: null} | [0, 0, 0]",
                "qwen2 | {} | [0, 0, 8]",
                "qwen2 | {use_sliding_window: false} | [0, 0, 0]",
                "qwen2 | {layer_types: [sliding_attention, full_attention, full_attention]} |"
                        + " [8, 0, 0]",
                "gemma2 | {} | [8, 0, 8]",
                "gemma2 | {layer_types: null} | [8, 0, 8]",
                "gemma2 | {layer_types: [full_attention, sliding_attention, full_attention]} |"
                        + " [0, 8, 0]",
                "llama | {} | [0, 0, 0]"
            })
    void slidingLayersAreThoseOfTheFamily(String name, String change, String windows)
            throws IOException {
        ObjectNode config = Families.config(name);
        config.setAll(
                (ObjectNode)
                        new ObjectMapper().valueToTree(ConfigNode.parse(change, "test").toPlain()));

        assertEquals(windows, ModelConfig.parse(config, "test").switches().windows().toString());
    }

    @Test
    void learnedPositionsEndWithATextThatIsTooLong() throws IOException {
        try (DecoderModel model =
                        Families.random("gpt2", Optional.of(TinyStudents.spec("lizard")));
                NDManager scope = model.manager().newSubManager()) {
            IllegalArgumentException thrown =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> model.forward(TinyStudents.batch(scope, text(0, 65))));
            assertTrue(
                    thrown.getMessage().startsWith("the model has learned 64 positions"),
                    thrown.getMessage());

            DecoderState state = model.newState();
            model.forward(TinyStudents.batch(scope, text(0, 60)), state);
            try (Decoding decoder = Generator.decoding(model, state)) {
                decoder.greedy(new int[] {1}, 4);
                assertThrows(
                        IllegalArgumentException.class, () -> decoder.greedy(new int[] {1}, 1));
            }
        }
    }

    @Test
    void everyFamilyHasAFileAndSaysItsName() {
        for (String name : Architecture.NAMES) {
            assertEquals(name, Architecture.find(name).orElseThrow().modelType());
        }
    }
}
