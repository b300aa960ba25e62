package dev.tegu.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.checkpoint.pickle.TorchFileWriter;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import dev.tegu.model.lolcats.LolcatsCheckpoint;
import dev.tegu.model.lolcats.LolcatsFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LolcatsImportTest {
    private static final String METHOD =
            "{feature_map: {kind: hedgehog, feature_dim: 3}, window: {size: 4},"
                    + " linear_scope: outside_window}";
    private static final OptionalDouble NONE = OptionalDouble.empty();

    @TempDir Path dir;
    private Path teacher;
    private Path output;

    @BeforeEach
    void writeATeacher() throws IOException {
        teacher = TinyModels.teacher(dir.resolve("teacher"), false, DType.F32);
        output = dir.resolve("student");
    }

    private static TorchFileWriter distilled() {
        TorchFileWriter file = TorchFileWriter.flat();
        for (int layer = 0; layer < 3; layer++) {
            LolcatsFiles.layer(file, LolcatsFiles.PLAIN, layer, DType.BF16, 3);
        }
        return file;
    }

    private void convert(TorchFileWriter file, OptionalDouble alpha) throws IOException {
        Path path = file.write(dir.resolve("a.pt"));
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher);
                LolcatsCheckpoint checkpoint = LolcatsCheckpoint.open(List.of(path))) {
            ModelWriter student = ModelWriter.student(files, TinyModels.spec(METHOD), 0);
            LolcatsImport.apply(student, checkpoint, alpha).write(output);
        }
    }

    private String refusal(TorchFileWriter file, OptionalDouble alpha) {
        CheckpointException e = assertThrows(CheckpointException.class, () -> convert(file, alpha));
        assertFalse(Files.exists(output));
        assertTrue(e.getMessage().startsWith("a.pt: "), e.getMessage());
        return e.getMessage();
    }

    @ParameterizedTest
    @ValueSource(strings = {".default.weight", ".weight"})
    void adaptersStandBesideTheStudentInPeftsFiles(String suffix) throws IOException {
        TorchFileWriter file = distilled();
        for (int layer = 0; layer < 3; layer++) {
            LolcatsFiles.adapters(file, suffix, layer, 2);
        }

        convert(file, NONE);

        ObjectNode config = StrictJson.read(output.resolve("adapter_config.json"));
        assertEquals(2, config.get("r").asInt());
        assertEquals(16, config.get("lora_alpha").asInt());
        assertEquals(
                "[\"q_proj\",\"k_proj\",\"v_proj\",\"o_proj\"]",
                config.get("target_modules").toString());
        Manifest.verify(output);
        try (SafetensorsFile adapters =
                SafetensorsFile.open(output.resolve("adapter_model.safetensors"))) {
            assertEquals(24, adapters.tensors().size());
            String name = "base_model.model.model.layers.2.self_attn.k_proj.lora_B.weight";
            assertEquals(DType.F32, adapters.info(name).dtype());
            float[] found = new float[16];
            adapters.map(name).asFloatBuffer().get(found);
            assertArrayEquals(LolcatsFiles.values(LolcatsFiles.seed(2, "kB"), 16), found);
        }
    }

    @Test
    void filesWithoutAdaptersMakeAStudentWithout() throws IOException {
        convert(distilled(), NONE);

        assertFalse(Files.exists(output.resolve("adapter_config.json")));
        Manifest.verify(output);
    }

    @Test
    void parametersAndAdaptersThatDoNotFitAreNamedTogether() {
        TorchFileWriter file = TorchFileWriter.flat();
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 0, DType.F32, 3);
        LolcatsFiles.layer(file, LolcatsFiles.PLAIN, 1, DType.F32, 3);
        for (int layer = 0; layer < 2; layer++) {
            LolcatsFiles.adapters(file, ".weight", layer, 2);
        }
        String name = "base_model.model.model.layers.2.self_attn.q_proj.lora_";
        LolcatsFiles.put(file, name + "A.weight", "", DType.F32, 3, 16);
        LolcatsFiles.put(file, name + "C.weight", "", DType.F32, 3, 16);

        String message = refusal(file, NONE);

        assertTrue(message.contains("the layers [2] have no parameters"), message);
        assertTrue(message.contains("`" + name + "C.weight`: not a trained tensor"), message);
        assertTrue(
                message.contains("`" + name + "A.weight`: expected shape [2, 16], found [3, 16]"),
                message);
        assertTrue(message.contains("`" + name + "B.weight`: missing"), message);
        assertTrue(message.contains("; and 2 more"), message);
    }

    @Test
    void anAlphaWithoutAdaptersIsRefused() {
        String message = refusal(distilled(), OptionalDouble.of(8));

        assertTrue(message.contains("leave out `--lora-alpha`"), message);
    }
}
