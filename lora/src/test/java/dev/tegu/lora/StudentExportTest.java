package dev.tegu.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.config.InvalidValueException;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StudentExportTest {
    @TempDir Path dir;

    private List<String> entries() throws IOException {
        try (Stream<Path> files = Files.list(dir)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void trainedStudentComesBackBitForBit() throws IOException {
        Path student = Students.untrained(dir, false, DType.BF16);

        float[] expected = Students.trained(dir, student, Students.TWO);

        Path trained = dir.resolve("trained");
        assertArrayEquals(expected, Students.logits(trained));
        assertTrue(TinyModels.distance(expected, TinyModels.logits(trained)) > 1e-2);
        Manifest.verify(trained);
        ObjectNode config = StrictJson.read(trained.resolve("adapter_config.json"));
        assertEquals("trained", config.get("base_model_name_or_path").asText());
        try (HuggingFaceDirectory before = HuggingFaceDirectory.open(student);
                HuggingFaceDirectory after = HuggingFaceDirectory.open(trained)) {
            assertEquals(before.names(), after.names());
            for (String name : before.names()) {
                boolean isNew = name.contains("feature_map") || name.contains("window_factor");
                assertEquals(!isNew, before.map(name).equals(after.map(name)), name);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "false, F32, , 1e-5",
        "true, F32, , 1e-5",
        "true, F32, F32, 1e-5",
        "false, BF16, F32, 1e-5",
        "false, F32, BF16, 0.03",
        "true, BF16, , 0.03",
        "false, F32, F16, 0.004"
    })
    @DisplayName("24: merged equals unmerged, to the rounding of each type")
    void mergedExportIsTheStudentWithItsAdapters(
            boolean ties, DType base, DType dtype, double tolerance) throws IOException {
        Path student = Students.untrained(dir, ties, base);
        float[] expected = Students.trained(dir, student, Students.ALL);
        Path output = dir.resolve("export");

        StudentExport.huggingFace(dir.resolve("trained"), Optional.ofNullable(dtype), output);

        // Rounding grows with the logits, so errors are counted in parts of the largest.
        double largest = TinyModels.distance(expected, new float[expected.length]);
        double off = TinyModels.distance(expected, TinyModels.logits(output)) / largest;
        double alone = TinyModels.distance(expected, TinyModels.logits(dir.resolve("trained")));
        assertTrue(off <= tolerance, "off by " + off + " of the largest logit, " + largest);
        assertTrue(alone / largest > 0.5, "adapters matter: " + alone);
        assertFalse(Files.exists(output.resolve("adapter_config.json")));
        assertFalse(Files.exists(output.resolve("adapter_model.safetensors")));
        Manifest.verify(output);
        DType type = dtype == null ? base : dtype;
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(output)) {
            assertEquals(!ties, files.has("lm_head.weight"));
            for (String name : files.names()) {
                boolean isNew = name.contains("feature_map") || name.contains("window_factor");
                assertEquals(isNew ? DType.F32 : type, files.info(name).dtype(), name);
            }
            String word =
                    switch (type) {
                        case F32 -> "float32";
                        case BF16 -> "bfloat16";
                        default -> "float16";
                    };
            assertEquals(word, files.config().get("dtype").asText());
            assertFalse(files.config().has("torch_dtype"));
        }
        assertTrue(Files.exists(output.resolve("tokenizer.json")));
        assertTrue(Files.exists(output.resolve("generation_config.json")));
    }

    @ParameterizedTest
    @CsvSource({"[1], F32, 1e-5", "'[2, 0]', F32, 1e-5", "[1], BF16, 0.03"})
    void adaptersOfSomeLayersAreMergedIntoThoseAlone(String layers, DType base, double tolerance)
            throws IOException {
        List<Integer> chosen = new ArrayList<>();
        for (String layer : layers.replaceAll("[\\[\\] ]", "").split(",")) {
            chosen.add(Integer.valueOf(layer));
        }
        Path student = Students.untrained(dir, false, base);
        LoraSettings settings = new LoraSettings(2, 5, List.of("v_proj", "up_proj"), chosen);
        float[] expected = Students.trained(dir, student, settings);
        Path trained = dir.resolve("trained");
        Path output = dir.resolve("export");
        assertArrayEquals(expected, Students.logits(trained));
        assertEquals(
                chosen.toString().replace(" ", ""),
                StrictJson.read(trained.resolve("adapter_config.json"))
                        .get("layers_to_transform")
                        .toString());

        StudentExport.huggingFace(trained, Optional.empty(), output);

        double largest = TinyModels.distance(expected, new float[expected.length]);
        double off = TinyModels.distance(expected, TinyModels.logits(output)) / largest;
        assertTrue(off <= tolerance, "off by " + off);
        try (HuggingFaceDirectory before = HuggingFaceDirectory.open(trained);
                HuggingFaceDirectory after = HuggingFaceDirectory.open(output)) {
            for (String name : before.names()) {
                boolean isMerged =
                        name.matches(".*(v_proj|up_proj)\\.weight")
                                && chosen.contains(Integer.valueOf(name.split("\\.")[2]));
                assertEquals(!isMerged, before.map(name).equals(after.map(name)), name);
            }
        }
    }

    @Test
    void aLayerThatTheModelDoesNotHaveIsRefused() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        LoraSettings settings = new LoraSettings(2, 5, List.of("q_proj"), List.of(1, 3));

        InvalidValueException e =
                assertThrows(
                        InvalidValueException.class,
                        () -> Students.trained(dir, student, settings));

        assertEquals("layers_to_transform", e.key());
        assertEquals("the model has no layer 3, its layers are 0 to 2", e.getMessage());
    }

    @Test
    void weightsWithoutAdapterKeepTheirBits() throws IOException {
        Path student = Students.untrained(dir, false, DType.BF16);
        Students.trained(dir, student, Students.TWO);
        Path output = dir.resolve("export");

        StudentExport.huggingFace(dir.resolve("trained"), Optional.empty(), output);

        try (HuggingFaceDirectory before = HuggingFaceDirectory.open(dir.resolve("trained"));
                HuggingFaceDirectory after = HuggingFaceDirectory.open(output)) {
            assertEquals(before.names(), after.names());
            for (String name : before.names()) {
                boolean isMerged = name.matches(".*(q_proj|down_proj)\\.weight");
                assertEquals(!isMerged, before.map(name).equals(after.map(name)), name);
            }
        }
    }

    @Test
    void mergedWeightsAreTheSumAddedUpInDouble() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        Students.trained(dir, student, Students.TWO);
        Path trained = dir.resolve("trained");
        Path output = dir.resolve("export");
        String name = "model.layers.1.mlp.down_proj";
        int out = 16;
        int in = 24;

        StudentExport.huggingFace(trained, Optional.empty(), output);

        try (HuggingFaceDirectory before = HuggingFaceDirectory.open(trained);
                HuggingFaceDirectory after = HuggingFaceDirectory.open(output);
                SafetensorsFile adapters =
                        SafetensorsFile.open(trained.resolve("adapter_model.safetensors"))) {
            FloatBuffer w = before.map(name + ".weight").asFloatBuffer();
            FloatBuffer merged = after.map(name + ".weight").asFloatBuffer();
            String prefix = "base_model.model." + name;
            FloatBuffer a = adapters.map(prefix + ".lora_A.weight").asFloatBuffer();
            FloatBuffer b = adapters.map(prefix + ".lora_B.weight").asFloatBuffer();
            for (int i = 0; i < out; i++) {
                for (int j = 0; j < in; j++) {
                    double product = 0;
                    for (int k = 0; k < 2; k++) {
                        product += (double) b.get(i * 2 + k) * a.get(k * in + j);
                    }
                    double expected = w.get(i * in + j) + 5.0 / 2 * product;
                    assertEquals(expected, merged.get(i * in + j), 3e-7, i + ", " + j);
                }
            }
        }
    }

    @Test
    void weightsOfSeveralBlocksAreMergedInWhole() throws IOException {
        ObjectNode config = TinyModels.config(true);
        config.put("num_hidden_layers", 1).put("intermediate_size", 70_000);
        LoraSettings settings = new LoraSettings(2, 5, List.of("up_proj", "down_proj"));
        Path output = dir.resolve("export");
        try (DecoderModel model = TinyModels.random(config, 1)) {
            LoraAdapters adapters = LoraAdapters.create(model, settings, 1);
            Students.train(adapters);
            adapters.addTo(ModelWriter.of(model, config, DType.F32)).write(dir.resolve("model"));

            StudentExport.huggingFace(dir.resolve("model"), Optional.empty(), output);

            Map<String, NDArray> weights = model.layers().get(0).weights();
            try (HuggingFaceDirectory files = HuggingFaceDirectory.open(output)) {
                for (String role : settings.targetModules()) {
                    String name = "base_model.model.model.layers.0.mlp." + role;
                    NDArray merged =
                            LoraAdapters.mergedWeight(
                                    weights.get(role + ".weight"),
                                    adapters.parameters().get(name + ".lora_A.weight"),
                                    adapters.parameters().get(name + ".lora_B.weight"),
                                    settings.scale());
                    FloatBuffer written =
                            files.map("model.layers.0.mlp." + role + ".weight").asFloatBuffer();
                    float[] found = new float[written.remaining()];
                    written.get(found);
                    assertTrue(found.length > 1 << 20);
                    assertEquals(0, TinyModels.distance(merged.toFloatArray(), found), 3e-7, role);
                }
            }
        }
    }

    @Test
    void studentWithoutAdaptersKeepsItsBytes() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        Path output = dir.resolve("export");

        StudentExport.huggingFace(student, Optional.empty(), output);

        List<String> more = new ArrayList<>(TransformersFiles.NAMES);
        more.add("README.md");
        List<Manifest.FileEntry> kept = new ArrayList<>(Manifest.read(output).files());
        kept.removeIf(file -> more.remove(file.name()) || file.name().equals("config.json"));
        assertEquals(List.of(), more);
        List<Manifest.FileEntry> expected = new ArrayList<>(Manifest.read(student).files());
        expected.removeIf(file -> file.name().equals("config.json"));
        assertEquals(expected, kept);
        assertEquals(Manifest.read(student).properties(), Manifest.read(output).properties());
        ObjectNode config = StrictJson.read(output.resolve("config.json"));
        assertEquals(
                "modeling_tegu.TeguForCausalLM",
                config.path("auto_map").path("AutoModelForCausalLM").asText());
        assertEquals(
                "configuration_tegu.TeguConfig",
                config.path("auto_map").path("AutoConfig").asText());
        assertEquals("llama", config.path("architecture").path("model_type").asText());
        config.remove(List.of("auto_map", "architecture"));
        assertEquals(StrictJson.read(student.resolve("config.json")), config);
    }

    @Test
    void theSameStudentGivesTheSameBytesAnywhere() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        Students.trained(dir, student, Students.TWO);
        Path moved = Files.createDirectory(dir.resolve("elsewhere")).resolve("trained");
        Path first = dir.resolve("first");
        StudentExport.huggingFace(dir.resolve("trained"), Optional.of(DType.BF16), first);

        Files.move(dir.resolve("trained"), moved);
        Path second = dir.resolve("second");
        StudentExport.huggingFace(moved, Optional.of(DType.BF16), second);

        assertEquals(Manifest.read(first), Manifest.read(second));
    }

    @Test
    void anExportIsAStudentAgainButForItsPythonFiles() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        Path output = dir.resolve("export");
        StudentExport.huggingFace(student, Optional.empty(), output);
        assertArrayEquals(Students.logits(student), Students.logits(output));

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(output)) {
            ModelWriter.copyOf(files).write(dir.resolve("copy"));
        }

        assertEquals(Manifest.read(student), Manifest.read(dir.resolve("copy")));
    }

    @Test
    void anExportIsMeasuredBeforeItAppearsAndItsCardHasThoseFigures() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        Path output = dir.resolve("export");
        float[] expected = Students.logits(student);

        StudentExport.huggingFace(
                student,
                Optional.empty(),
                output,
                export -> {
                    assertFalse(Files.exists(output));
                    assertArrayEquals(expected, Students.logits(export));
                    Files.createDirectory(dir.resolve("eval"));
                    Files.writeString(
                            dir.resolve("eval/student.json"),
                            "{\"results\": {\"recall\": {\"acc,none\": 0.5}}}");
                });

        String card = Files.readString(output.resolve("README.md"));
        assertTrue(card.contains("| task | metric | this model |\n"), card);
        assertTrue(card.contains("| recall | acc | 0.5000 |\n"), card);
        Manifest.verify(output);
    }

    @Test
    void aMeasurementThatFailsLeavesNoExport() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        List<String> before = entries();

        assertThrows(
                IOException.class,
                () ->
                        StudentExport.huggingFace(
                                student,
                                Optional.empty(),
                                dir.resolve("export"),
                                export -> {
                                    throw new IOException("no");
                                }));

        assertEquals(before, entries());
    }

    @Test
    void theCardHasSettingsFiguresAndDigests() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        Files.writeString(
                dir.resolve("config.effective.yaml"),
                """
                teacher: /home/somebody/llama
                seed: 7  # a.yaml:3:7
                output: /home/somebody/a
                attention_transfer: {tokens: 1000}
                controls: [untrained, absent]
                """);
        Files.createDirectory(dir.resolve("eval"));
        Files.writeString(
                dir.resolve("eval/student.json"),
                """
                {"results": {"recall": {"alias": "recall", "acc,none": 0.5,
                 "acc_stderr,none": 0.0714, "n,none": "Infinity", "n_stderr,none": "N/A"}}}
                """);
        Files.writeString(
                dir.resolve("eval/teacher.json"),
                """
                {"results": {"recall": {"acc,none": 1.0, "acc_stderr,none": 0.0}}}
                """);
        Files.writeString(
                dir.resolve("eval/untrained.json"),
                """
                {"results": {"recall": {"acc,none": 0.25, "acc_stderr,none": 0.125}}}
                """);

        StudentExport.huggingFace(student, Optional.of(DType.BF16), dir.resolve("export"));

        String card = Files.readString(dir.resolve("export/README.md"));
        assertTrue(card.startsWith("---\nlibrary_name: transformers\n"), card);
        assertTrue(card.contains("| task | metric | teacher | this model | untrained |\n"), card);
        assertTrue(
                card.contains(
                        "| recall | acc | 1.0000 ± 0.0000 | 0.5000 ± 0.0714 | 0.2500 ± 0.1250 |"),
                card);
        assertTrue(card.contains("scripts/tegu run EXPERIMENT\nscripts/tegu export STUDENT"), card);
        assertTrue(card.contains("| recall | n |  | Infinity |  |"), card);
        assertTrue(card.contains("\nseed: 7\n"), card);
        assertTrue(card.contains("tokens: 1000"), card);
        assertTrue(card.contains("\nlinear_scope: all\n"), card);
        assertTrue(card.contains("--format hf --dtype bfloat16\n"), card);
        assertTrue(card.contains("| bfloat16 |"), card);
        assertFalse(card.contains("somebody"), card);
        for (Manifest.FileEntry file : Manifest.read(student).files()) {
            assertTrue(card.contains("| " + file.sha256() + " |"), file.name());
        }
        assertFalse(card.contains("adapters"), card);
    }

    @Test
    void aTeacherIsExportedWithoutPythonFiles() throws IOException {
        Path teacher = TinyModels.teacher(dir.resolve("teacher"), false, DType.F32);

        StudentExport.huggingFace(teacher, Optional.empty(), dir.resolve("export"));

        assertFalse(Files.exists(dir.resolve("export/modeling_tegu.py")));
        assertFalse(Files.exists(dir.resolve("export/README.md")));
    }

    @Test
    void theBaseIsTheStudentWithoutItsAdapters() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        float[] expected = Students.trained(dir, student, Students.TWO);
        Path trained = dir.resolve("trained");
        Path output = dir.resolve("base");
        CheckpointException none =
                assertThrows(
                        CheckpointException.class,
                        () -> StudentExport.base(student, Optional.empty(), output));
        assertTrue(none.getMessage().contains("no adapters to export"), none.getMessage());

        StudentExport.base(trained, Optional.empty(), output);
        StudentExport.peft(trained, dir.resolve("adapters"));

        assertTrue(Files.exists(output.resolve("modeling_tegu.py")));
        String card = Files.readString(output.resolve("README.md"));
        assertTrue(card.contains("It needs its adapters"), card);
        assertTrue(card.contains("--format base\n"), card);
        try (HuggingFaceDirectory before = HuggingFaceDirectory.open(trained);
                HuggingFaceDirectory after = HuggingFaceDirectory.open(output)) {
            assertEquals(before.names(), after.names());
            for (String name : before.names()) {
                assertEquals(before.map(name), after.map(name), name);
            }
        }
        assertFalse(Files.exists(output.resolve("adapter_config.json")));
        // With the adapters beside it again it is the student.
        for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
            Files.copy(dir.resolve("adapters").resolve(name), output.resolve(name));
        }
        assertArrayEquals(expected, Students.logits(output));
    }

    @Test
    void peftExportHoldsTheAdaptersAlone() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        float[] expected = Students.trained(dir, student, Students.TWO);
        Path trained = dir.resolve("trained");
        Path output = dir.resolve("peft");

        StudentExport.peft(trained, output);

        try (Stream<Path> files = Files.list(output)) {
            assertEquals(
                    List.of("adapter_config.json", "adapter_model.safetensors", "manifest.json"),
                    files.map(file -> file.getFileName().toString()).sorted().toList());
        }
        assertArrayEquals(
                Files.readAllBytes(trained.resolve("adapter_model.safetensors")),
                Files.readAllBytes(output.resolve("adapter_model.safetensors")));
        ObjectNode config = StrictJson.read(output.resolve("adapter_config.json"));
        assertEquals(trained.toString(), config.get("base_model_name_or_path").asText());
        Manifest.verify(output);
        // The adapters of the export are those of the student.
        Files.delete(trained.resolve("adapter_config.json"));
        Files.copy(output.resolve("adapter_config.json"), trained.resolve("adapter_config.json"));
        assertArrayEquals(expected, Students.logits(trained));
    }

    @Test
    void refusalsNameTheFaultAndLeaveNothing() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        Path trained = dir.resolve("trained");
        float[] expected = Students.trained(dir, student, Students.TWO);
        List<String> before = entries();
        Path output = dir.resolve("output");

        CheckpointException none =
                assertThrows(CheckpointException.class, () -> StudentExport.peft(student, output));
        CheckpointException occupied =
                assertThrows(
                        CheckpointException.class,
                        () -> StudentExport.huggingFace(trained, Optional.empty(), student));
        CheckpointException occupiedToo =
                assertThrows(CheckpointException.class, () -> StudentExport.peft(trained, student));

        assertTrue(none.getMessage().contains("no adapters to export"), none.getMessage());
        assertTrue(occupied.getMessage().contains("is not empty"), occupied.getMessage());
        assertTrue(occupiedToo.getMessage().contains("is not empty"), occupiedToo.getMessage());
        assertEquals(before, entries());
        assertArrayEquals(expected, Students.logits(trained));
    }

    @Test
    void halfAnAdapterIsAnErrorEverywhere() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        Students.trained(dir, student, Students.TWO);
        Path trained = dir.resolve("trained");
        Files.delete(trained.resolve("adapter_config.json"));
        List<String> before = entries();
        Path output = dir.resolve("output");

        assertThrows(CheckpointException.class, () -> Students.logits(trained));
        assertThrows(CheckpointException.class, () -> StudentExport.peft(trained, output));
        assertThrows(
                CheckpointException.class,
                () -> StudentExport.huggingFace(trained, Optional.empty(), output));

        assertEquals(before, entries());
    }

    @Test
    void adapterOfFloat16OverflowIsRefusedWhole() throws IOException {
        Path student = Students.untrained(dir, false, DType.F32);
        Students.trained(dir, student, new LoraSettings(2, 1e7, List.of("q_proj")));
        List<String> before = entries();

        CheckpointException e =
                assertThrows(
                        CheckpointException.class,
                        () ->
                                StudentExport.huggingFace(
                                        dir.resolve("trained"),
                                        Optional.of(DType.F16),
                                        dir.resolve("output")));

        assertTrue(e.getMessage().contains("self_attn.q_proj.weight"), e.getMessage());
        assertEquals(before, entries());
    }
}
