package dev.tegu.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.config.InvalidValueException;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Adapters of families whose checkpoints store several linear maps in one, or transposed. */
class FamilyAdaptersTest {
    private static final int RANK = 2;

    @TempDir private Path dir;

    /** An untrained student of one of the tiny models. */
    private Path student(String family) throws IOException {
        Path teacher = Files.createDirectory(dir.resolve("teacher"));
        for (String file : List.of("config.json", "model.safetensors")) {
            String name = "families/" + family + "/" + file;
            try (InputStream in = TinyModels.class.getResourceAsStream(name)) {
                Files.copy(in, teacher.resolve(file));
            }
        }
        Path student = dir.resolve("student");
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter.student(files, TinyModels.spec("{window: {size: 4}}"), 5).write(student);
        }
        return student;
    }

    private static ModelConfig config(Path model) throws IOException {
        return ModelConfig.parse(HuggingFaceDirectory.readConfig(model), model.toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "gpt2-n_inner | q_proj k_proj v_proj o_proj fc1 fc2",
                "gpt2-n_inner | v_proj q_proj",
                "gpt_neox-parallel | q_proj k_proj v_proj o_proj fc1",
                "gpt_neox-sequential | v_proj fc2",
                "phi3-window | q_proj k_proj v_proj o_proj up_proj",
                "phi | q_proj o_proj fc1",
                "olmo2 | k_proj down_proj",
                "gemma2 | q_proj gate_proj",
                "mixtral | q_proj o_proj"
            })
    void savedAndMergedAdaptersComputeWhatTrainedOnesDo(String family, String roles)
            throws IOException {
        Path student = student(family);
        LoraSettings settings = new LoraSettings(RANK, 3, List.of(roles.split(" ")));

        float[] plain = Students.logits(student);
        float[] expected = Students.trained(dir, student, settings);
        StudentExport.huggingFace(dir.resolve("trained"), Optional.empty(), dir.resolve("export"));

        assertTrue(TinyModels.distance(plain, expected) > 1e-2);
        assertEquals(
                0, TinyModels.distance(expected, Students.logits(dir.resolve("trained"))), 2e-5);
        assertEquals(
                0, TinyModels.distance(expected, Students.logits(dir.resolve("export"))), 1e-4);
        assertEquals(
                family.replaceAll("-.*", ""),
                StrictJson.read(dir.resolve("export/config.json"))
                        .path("architecture")
                        .path("model_type")
                        .asText());
    }

    @Test
    void aMapOfThreeRolesHasOneAdapterInThePeftFiles() throws IOException {
        Path student = student("gpt2-n_inner");
        List<String> names = List.of("c_attn", "attn.c_proj", "fc2");
        Students.trained(dir, student, new LoraSettings(RANK, 3, names));

        Path trained = dir.resolve("trained");
        StudentExport.peft(trained, dir.resolve("peft"));
        ObjectNode json = StrictJson.read(dir.resolve("peft/adapter_config.json"));

        assertEquals(
                "[\"c_attn\",\"attn.c_proj\",\"mlp.c_proj\"]",
                json.path("target_modules").toString());
        assertEquals("{\"c_attn\":6}", json.path("rank_pattern").toString());
        assertEquals("{\"c_attn\":9}", json.path("alpha_pattern").toString());
        assertEquals("true", json.path("fan_in_fan_out").toString());
        Map<String, List<Long>> shapes = new TreeMap<>();
        try (SafetensorsFile file =
                SafetensorsFile.open(dir.resolve("peft/adapter_model.safetensors"))) {
            file.tensors().forEach((name, info) -> shapes.put(name, info.shape()));
            String module = "base_model.model.transformer.h.1.attn.c_attn.";
            assertEquals(List.of(6L, 32L), shapes.get(module + "lora_A.weight"));
            assertEquals(List.of(96L, 6L), shapes.get(module + "lora_B.weight"));
            float[] b = floats(file, module + "lora_B.weight");
            for (int i = 0; i < b.length; i++) {
                boolean isOwn = i / 6 / 32 == i % 6 / 2;
                assertEquals(isOwn, b[i] != 0, "role by role: " + i);
            }
        }
        assertEquals(3 * 3 * 2, shapes.size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2-n_inner", "gpt_neox-parallel", "phi3-window"})
    void anyAdapterOnAStoredMapIsTakenApart(String family) throws IOException {
        Path student = student(family);
        String module =
                Map.of(
                                "gpt2-n_inner", "transformer.h.1.attn.c_attn",
                                "gpt_neox-parallel", "gpt_neox.layers.1.attention.query_key_value",
                                "phi3-window", "model.layers.1.self_attn.qkv_proj")
                        .get(family);
        int out = family.equals("phi3-window") ? 64 : 96;
        float[] a = TinyValues.of(4 * 32, 1);
        float[] b = TinyValues.of(out * 4, 2);
        PeftConfig config =
                new PeftConfig(
                        new LoraSettings(
                                8,
                                8,
                                List.of(module.substring(module.lastIndexOf('.') + 1)),
                                List.of(1)),
                        Map.of(module.replaceAll(".*\\.([^.]*\\.[^.]*)$", "$1"), 4),
                        Map.of(),
                        false);
        Path adapted = dir.resolve("adapted");
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(student)) {
            ModelWriter.copyOf(files)
                    .extra(directory -> writePeft(directory, module, a, b, out, config))
                    .write(adapted);
        }

        float[] unmerged = Students.logits(adapted);
        StudentExport.huggingFace(adapted, Optional.empty(), dir.resolve("export"));

        assertTrue(TinyModels.distance(unmerged, Students.logits(student)) > 1e-2);
        assertEquals(
                0, TinyModels.distance(unmerged, Students.logits(dir.resolve("export"))), 1e-4);
        // the scale is lora_alpha through the rank of this map: 8 / 4
        boolean isTransposed = family.startsWith("gpt2");
        try (HuggingFaceDirectory before = HuggingFaceDirectory.open(student);
                HuggingFaceDirectory after = HuggingFaceDirectory.open(dir.resolve("export"))) {
            float[] from = floats(before.map(module + ".weight"));
            float[] to = floats(after.map(module + ".weight"));
            for (int row = 0; row < out; row++) {
                for (int column = 0; column < 32; column++) {
                    double added = 0;
                    for (int r = 0; r < 4; r++) {
                        added += 2.0 * b[row * 4 + r] * a[r * 32 + column];
                    }
                    int at = isTransposed ? column * out + row : row * 32 + column;
                    assertEquals(from[at] + added, to[at], 1e-5);
                }
            }
        }
    }

    private static void writePeft(
            StagedDirectory directory,
            String module,
            float[] a,
            float[] b,
            int out,
            PeftConfig config)
            throws IOException {
        String name = "base_model.model." + module;
        PeftDirectory.write(
                directory,
                Map.of(
                        name + ".lora_A.weight", tensor(List.of(4L, 32L), a),
                        name + ".lora_B.weight", tensor(List.of((long) out, 4L), b)),
                config,
                "m");
    }

    @Test
    void loadedAdaptersAreSavedAsTheSameSum() throws IOException {
        Path student = student("phi3-window");
        LoraSettings settings = new LoraSettings(RANK, 3, List.of("qkv_proj", "gate_up_proj"));
        float[] expected = Students.trained(dir, student, settings);
        Path saved = dir.resolve("saved");
        try (DecoderModel model = DecoderModel.load(dir.resolve("trained"), Device.cpu())) {
            LoraAdapters.load(model, dir.resolve("trained")).save(saved, "m");
        }

        for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
            Files.delete(dir.resolve("trained").resolve(name));
            Files.copy(saved.resolve(name), dir.resolve("trained").resolve(name));
        }

        assertEquals(
                0, TinyModels.distance(expected, Students.logits(dir.resolve("trained"))), 2e-5);
    }

    @Test
    void namesAreRolesOrTheFamilysOwn() throws IOException {
        ModelConfig gpt2 = config(student("gpt2-n_inner"));

        assertEquals(
                List.of("o_proj", "fc2"), new LoraSettings(1, 1, List.of("c_proj")).roles(gpt2));
        assertEquals(
                List.of("q_proj", "k_proj", "v_proj", "fc1"),
                new LoraSettings(1, 1, List.of("attn.c_attn", "q_proj", "c_fc")).roles(gpt2));
        LoraSettings other = new LoraSettings(1, 1, List.of("gate_up_proj"));
        InvalidValueException e =
                assertThrows(InvalidValueException.class, () -> other.check(gpt2));
        assertEquals("target_modules", e.key());
        assertTrue(
                e.getMessage()
                        .startsWith(
                                "`gate_up_proj` is no linear map of a layer of gpt2 that has"
                                        + " adapters; known: "),
                e.getMessage());
        assertThrows(InvalidValueException.class, () -> new LoraSettings(1, 1, List.of("router")));
    }

    @Test
    void aRoleThatPeftDoesNotSeeIsRefused() throws IOException {
        Path student = student("gpt2-n_inner");
        PeftConfig config =
                new PeftConfig(
                        new LoraSettings(4, 8, List.of("q_proj")), Map.of(), Map.of(), false);
        Path adapted = dir.resolve("adapted");
        String module = "transformer.h.1.attn.c_attn";
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(student)) {
            ModelWriter.copyOf(files)
                    .extra(
                            directory ->
                                    writePeft(
                                            directory,
                                            module,
                                            new float[4 * 32],
                                            new float[96 * 4],
                                            96,
                                            config))
                    .write(adapted);
        }

        CheckpointException e =
                assertThrows(CheckpointException.class, () -> Students.logits(adapted));

        assertTrue(
                e.getMessage()
                        .contains(
                                "q_proj is part of `transformer.h.0.attn.c_attn`, and PEFT's"
                                        + " adapters are on that; name `c_attn`"),
                e.getMessage());
    }

    private static TensorSource tensor(List<Long> shape, float[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return TensorSource.of(DType.F32, shape, () -> bytes);
    }

    private static float[] floats(SafetensorsFile file, String name) throws IOException {
        return floats(file.map(name));
    }

    private static float[] floats(ByteBuffer bytes) {
        float[] values = new float[bytes.remaining() / 4];
        bytes.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }

    /** Numbers that look random and are the same each time. */
    private static final class TinyValues {
        static float[] of(int count, int phase) {
            float[] values = new float[count];
            for (int i = 0; i < count; i++) {
                values[i] = (float) (0.3 * Math.sin(i * 12.9898 + phase * 78.233));
            }
            return values;
        }
    }
}
