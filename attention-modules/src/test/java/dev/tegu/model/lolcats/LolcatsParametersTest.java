package dev.tegu.model.lolcats;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.checkpoint.pickle.TorchFileWriter;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelLayout;
import dev.tegu.model.TinyModels;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class LolcatsParametersTest {
    private static final String METHOD =
            "{feature_map: {kind: hedgehog, feature_dim: 3}, window: {size: 4},"
                    + " linear_scope: outside_window}";
    private static final String LAYER = ".self_attn.";

    @TempDir Path dir;

    private static ModelConfig student(int layers, String method) throws IOException {
        ObjectNode json = TinyModels.config(true).put("num_hidden_layers", layers);
        return ModelConfig.parse(json, "config.json")
                .withLinearAttention(Optional.of(TinyModels.spec(method)));
    }

    private LolcatsCheckpoint open(TorchFileWriter... files) throws IOException {
        List<Path> paths = new ArrayList<>();
        for (TorchFileWriter file : files) {
            paths.add(file.write(dir.resolve("part" + paths.size() + ".pt")));
        }
        return LolcatsCheckpoint.open(paths);
    }

    private static float[] floats(TensorSource source) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (WritableByteChannel channel = Channels.newChannel(bytes)) {
            source.body().writeTo(channel);
        }
        float[] values = new float[bytes.size() / Float.BYTES];
        ByteBuffer.wrap(bytes.toByteArray())
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(values);
        return values;
    }

    /** Every parameter as it is imported, by the student's names. */
    private static Map<String, float[]> imported(LolcatsCheckpoint checkpoint, ModelConfig student)
            throws IOException {
        LolcatsParameters parameters = LolcatsParameters.of(checkpoint, student);
        assertEquals(List.of(), parameters.faults());
        Map<String, float[]> all = new TreeMap<>();
        for (Map.Entry<String, TensorSource> entry : parameters.tensors().entrySet()) {
            assertEquals(DType.F32, entry.getValue().dtype());
            all.put(entry.getKey(), floats(entry.getValue()));
        }
        TreeSet<String> expected = new TreeSet<>();
        for (int layer = 0; layer < student.numLayers(); layer++) {
            for (ModelLayout.Entry entry : new ModelLayout(student).parameters(layer)) {
                expected.add(entry.name());
                assertEquals(entry.shape(), parameters.tensors().get(entry.name()).shape());
            }
        }
        assertEquals(expected, all.keySet());
        return all;
    }

    private static void assertLayer(Map<String, float[]> found, int layer) {
        String attention = "model.layers." + layer + LAYER;
        for (String side : new String[] {"q", "k"}) {
            assertArrayEquals(
                    LolcatsFiles.values(LolcatsFiles.seed(layer, side), 48),
                    found.get(attention + "feature_map_" + side + ".weight"));
        }
        assertArrayEquals(
                LolcatsFiles.values(LolcatsFiles.seed(layer, "w"), 4),
                found.get(attention + "window_factor"));
    }

    @ParameterizedTest(name = "{0}N, wrapper `{1}`, {2}")
    @CsvSource({
        "model.layers., '', F32",
        "model.layers., model_state_dict, BF16",
        "base_model.model.layers., '', F16",
        "base_model.model.model.layers., model_state_dict, BF16",
        "base_model.model.model.layers., '', BF16",
        "layers., model_state_dict, F32"
    })
    @DisplayName(
            "29: both key layouts, with and without model_state_dict, give the same parameters")
    void everyLayoutGivesTheSameParameters(String prefix, String wrapper, DType dtype)
            throws IOException {
        TorchFileWriter file =
                wrapper.isEmpty() ? TorchFileWriter.flat() : TorchFileWriter.wrapped(wrapper);
        file.asParameters();
        for (int layer = 2; layer >= 0; layer--) {
            LolcatsFiles.layer(file, prefix, layer, dtype, 3);
        }

        try (LolcatsCheckpoint checkpoint = open(file)) {
            Map<String, float[]> found = imported(checkpoint, student(3, METHOD));

            for (int layer = 0; layer < 3; layer++) {
                assertLayer(found, layer);
            }
        }
    }

    @Test
    @DisplayName("29: layers of two digits keep their numbers")
    void layersOfTwoDigitsKeepTheirNumbers() throws IOException {
        TorchFileWriter file = TorchFileWriter.flat();
        for (int layer = 0; layer < 13; layer++) {
            LolcatsFiles.layer(file, LolcatsFiles.WRAPPED, layer, DType.F32, 3);
        }

        try (LolcatsCheckpoint checkpoint = open(file)) {
            Map<String, float[]> found = imported(checkpoint, student(13, METHOD));

            for (int layer = 0; layer < 13; layer++) {
                assertLayer(found, layer);
            }
        }
    }

    @Test
    @DisplayName("29: a bias of one number a head is read")
    void aScalarBiasOfAHeadStandsForEachOfItsFeatures() throws IOException {
        String method = METHOD.replace("feature_dim: 3", "feature_dim: 3, bias: true");
        TorchFileWriter file = TorchFileWriter.flat();
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 0, DType.BF16, 3);
        LolcatsFiles.biases(file, LolcatsFiles.PLAIN, 0, DType.BF16);

        try (LolcatsCheckpoint checkpoint = open(file)) {
            Map<String, float[]> found = imported(checkpoint, student(1, method));

            float[] heads = LolcatsFiles.values(LolcatsFiles.seed(0, "kbias"), 4);
            float[] expected = new float[12];
            for (int i = 0; i < 12; i++) {
                expected[i] = heads[i / 3];
            }
            assertArrayEquals(expected, found.get("model.layers.0.self_attn.feature_map_k.bias"));
        }
    }

    @Test
    void aVectorBiasOfAHeadStaysAsItIs() throws IOException {
        String method = METHOD.replace("feature_dim: 3", "feature_dim: 3, bias: true");
        TorchFileWriter file = TorchFileWriter.flat();
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 0, DType.F32, 3);
        String name = "model.layers.0.self_attn.feature_map_%s.mlp.bias";
        LolcatsFiles.put(file, name.formatted("q"), "a", DType.F32, 1, 4, 1, 3);
        LolcatsFiles.put(file, name.formatted("k"), "b", DType.F32, 1, 4, 1, 3);

        try (LolcatsCheckpoint checkpoint = open(file)) {
            Map<String, float[]> found = imported(checkpoint, student(1, method));

            assertArrayEquals(
                    LolcatsFiles.values("b", 12),
                    found.get("model.layers.0.self_attn.feature_map_k.bias"));
        }
    }

    @Test
    @DisplayName("29: window_factors and window_factor, alone and together")
    void theOldNameOfTheWindowFactorsIsKnownAndBothMayStandTogether() throws IOException {
        ModelConfig student = student(1, METHOD);
        String name = "model.layers.0.self_attn.window_factor";
        for (boolean both : new boolean[] {false, true}) {
            TorchFileWriter file = TorchFileWriter.flat();
            for (String side : new String[] {"q", "k"}) {
                String map = "model.layers.0.self_attn.feature_map_" + side + ".mlp.layer";
                LolcatsFiles.put(file, map, LolcatsFiles.seed(0, side), DType.F32, 4, 4, 3);
            }
            LolcatsFiles.put(file, name, LolcatsFiles.seed(0, "w"), DType.F32, 1, 4, 1, 1);
            if (both) {
                String other = name + "s";
                LolcatsFiles.put(file, other, LolcatsFiles.seed(0, "w"), DType.F32, 1, 4, 1, 1);
            }

            try (LolcatsCheckpoint checkpoint = open(file)) {
                assertLayer(imported(checkpoint, student), 0);
            }
        }
    }

    @Test
    @DisplayName("29: two names of one parameter that differ are refused")
    void twoNamesOfOneParameterThatDifferAreRefused() {
        TorchFileWriter file = TorchFileWriter.flat();
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 0, DType.F32, 3);
        String old = "model.layers.0.self_attn.window_factor";
        LolcatsFiles.put(file, old, "other", DType.F32, 1, 4, 1, 1);

        CheckpointException e = assertThrows(CheckpointException.class, () -> open(file));

        assertTrue(e.getMessage().startsWith("part0.pt: `" + old + "` and `"), e.getMessage());
        assertTrue(e.getMessage().contains("window_factors` are two names"), e.getMessage());
    }

    @Test
    @DisplayName("29: a later file replaces what it names")
    void aLaterFileReplacesWhatItNames() throws IOException {
        TorchFileWriter first = TorchFileWriter.wrapped("model_state_dict");
        LolcatsFiles.layer(first, LolcatsFiles.PLAIN, 0, DType.F32, 3);
        LolcatsFiles.layer(first, LolcatsFiles.PLAIN, 1, DType.F32, 3);
        TorchFileWriter second = TorchFileWriter.wrapped("model_state_dict");
        String name = LolcatsFiles.WRAPPED + "1.self_attn.feature_map_k.mlp.layer";
        LolcatsFiles.put(second, name, "finetuned", DType.BF16, 4, 4, 3);

        try (LolcatsCheckpoint checkpoint = open(first, second)) {
            Map<String, float[]> found = imported(checkpoint, student(2, METHOD));

            assertLayer(found, 0);
            String changed = "model.layers.1.self_attn.feature_map_k.weight";
            assertArrayEquals(LolcatsFiles.values("finetuned", 48), found.get(changed));
            found.put(changed, LolcatsFiles.values(LolcatsFiles.seed(1, "k"), 48));
            assertLayer(found, 1);
        }
    }

    @Test
    void everyTensorThatDoesNotFitIsNamed() throws IOException {
        TorchFileWriter file = TorchFileWriter.flat();
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 0, DType.F32, 3);
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 12, DType.F32, 3);
        String maps = "model.layers.1.self_attn.";
        LolcatsFiles.put(file, maps + "feature_map_q.mlp.layer", "", DType.F32, 4, 5, 3);
        LolcatsFiles.put(file, maps + "window_factors", "", DType.I64, 1, 4, 1, 1);
        LolcatsFiles.put(file, maps + "feature_map_k.mlp.layr", "", DType.F32, 4, 4, 3);
        LolcatsFiles.put(file, "model.layers.01.self_attn.window_factors", "", DType.F32, 1);
        LolcatsFiles.put(file, "model.norm.weight", "", DType.F32, 16);

        try (LolcatsCheckpoint checkpoint = open(file)) {
            List<String> faults = LolcatsParameters.of(checkpoint, student(2, METHOD)).faults();

            String all = String.join("\n", faults);
            assertEquals(9, faults.size(), all);
            String map = "`model.layers.1.self_attn.feature_map_";
            assertTrue(
                    all.contains(
                            map
                                    + "q.mlp.layer`: expected shape [4, 4, 3] from config.json and"
                                    + " method, found [4, 5, 3]"),
                    all);
            assertTrue(all.contains(map + "k.mlp.layer`: missing"), all);
            assertTrue(all.contains("expected F32, BF16 or F16, found I64"), all);
            assertTrue(all.contains("model.layers.12.self_attn.window_factors`: the teacher"), all);
            assertTrue(
                    all.contains("k.mlp.layr`: not a trained tensor of LoLCATs (nearest: "), all);
            assertTrue(all.contains("`model.layers.01.self_attn.window_factors`: not"), all);
            assertTrue(all.contains("`model.norm.weight`: not a trained tensor"), all);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "feature_dim: 3    | feature_dim: 2             | --set feature_map.feature_dim=3",
                "feature_dim: 3    | feature_dim: 3, bias: true | --set feature_map.bias=false",
                "size: 4           | size: 0                    | such as `lolcats`",
                "linear_scope: outside_window | 'keep_softmax: [1], linear_scope: outside_window'"
                        + " | stays softmax by the method's `keep_softmax`"
            })
    void aSwitchThatDoesNotFitIsNamedWithItsOverride(String from, String to, String expected)
            throws IOException {
        TorchFileWriter file = TorchFileWriter.flat();
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 0, DType.F32, 3);
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 1, DType.F32, 3);

        try (LolcatsCheckpoint checkpoint = open(file)) {
            List<String> faults =
                    LolcatsParameters.of(checkpoint, student(2, METHOD.replace(from, to))).faults();

            assertTrue(faults.get(0).contains(expected), faults.toString());
            boolean isOneLine = !expected.startsWith("stays softmax");
            assertEquals(isOneLine ? 1 : 3, faults.size(), faults.toString());
        }
    }

    @Test
    void softmaxLayersPureLinearFilesAndBiasesAreNamedWithTheirOverrides() throws IOException {
        TorchFileWriter file = TorchFileWriter.flat();
        for (String side : new String[] {"q", "k"}) {
            String map = "model.layers.0.self_attn.feature_map_" + side + ".mlp.layer";
            LolcatsFiles.put(file, map, "", DType.F32, 4, 4, 3);
        }
        LolcatsFiles.biases(file, LolcatsFiles.PLAIN, 0, DType.F32);

        try (LolcatsCheckpoint checkpoint = open(file)) {
            List<String> faults = LolcatsParameters.of(checkpoint, student(3, METHOD)).faults();

            assertEquals(3, faults.size(), faults.toString());
            assertTrue(faults.get(0).contains("--set keep_softmax=[1,2]`"), faults.toString());
            assertTrue(faults.get(1).contains("--set feature_map.bias=true`"), faults.toString());
            assertTrue(faults.get(2).contains("--set window.size=0`"), faults.toString());
        }
    }

    @Test
    void anFtFileAloneAsksForItsDistillFile() throws IOException {
        TorchFileWriter file = TorchFileWriter.flat();
        LolcatsFiles.adapters(file, ".default.weight", 0, 2);

        try (LolcatsCheckpoint checkpoint = open(file)) {
            List<String> faults = LolcatsParameters.of(checkpoint, student(1, METHOD)).faults();

            assertEquals(1, faults.size(), faults.toString());
            assertTrue(faults.get(0).contains("`_distill` file before"), faults.toString());
        }
    }

    @Test
    void aFileWithoutTensorsIsRefused() {
        CheckpointException e =
                assertThrows(
                        CheckpointException.class,
                        () -> open(TorchFileWriter.flat().scalar("step", 3)));

        assertTrue(e.getMessage().startsWith("part0.pt: holds no tensors"), e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
    void valuesThatAreNotFiniteAreRefusedWhenTheyAreRead(float value) throws IOException {
        TorchFileWriter file = TorchFileWriter.flat();
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 0, DType.F32, 3);
        String name = "model.layers.1.self_attn.window_factors";
        file.put(name, DType.BF16, new long[] {1, 4, 1, 1}, 1, value, 1, 1);
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 2, DType.F32, 3);

        try (LolcatsCheckpoint checkpoint = open(file)) {
            TensorSource source =
                    LolcatsParameters.of(checkpoint, student(3, METHOD))
                            .tensors()
                            .get("model.layers.1.self_attn.window_factor");
            CheckpointException e = assertThrows(CheckpointException.class, () -> floats(source));
            assertTrue(e.getMessage().contains("`" + name + "` holds " + value), e.getMessage());
        }
    }

    @Test
    void halvesBelowTheSmallestNormalNumberAreExact() throws IOException {
        byte[] bytes = {1, 0, (byte) 0xff, 3, 1, (byte) 0x80, 0, 0x3c};
        float[] expected = {0x1p-24f, 1023 * 0x1p-24f, -0x1p-24f, 1};
        TorchFileWriter file = TorchFileWriter.flat();
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 0, DType.F32, 3);
        file.raw(
                "model.layers.1.self_attn.window_factors",
                DType.F16,
                new long[] {1, 4, 1, 1},
                bytes);

        try (LolcatsCheckpoint checkpoint = open(file)) {
            TensorSource source =
                    LolcatsParameters.of(checkpoint, student(2, METHOD))
                            .tensors()
                            .get("model.layers.1.self_attn.window_factor");
            assertArrayEquals(expected, floats(source));
        }
    }
}
