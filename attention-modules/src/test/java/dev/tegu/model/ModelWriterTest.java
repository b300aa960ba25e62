package dev.tegu.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.SharedFiles;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.config.InvalidValueException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelWriterTest {
    private static final String LOLCATS =
            "{window: {size: WINDOW}, linear_scope: outside_window, combine: shared_denominator}";

    @TempDir Path dir;

    private Path convert(Path teacher, String name, String spec) throws IOException {
        Path output = dir.resolve(name);
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter.student(files, TinyModels.spec(spec), 5)
                    .property("method", "lolcats")
                    .write(output);
        }
        return output;
    }

    private Path teacher(DType dtype) throws IOException {
        return TinyModels.teacher(dir.resolve("teacher"), false, dtype);
    }

    private static ObjectNode config(Path model) throws IOException {
        return StrictJson.read(model.resolve("config.json"));
    }

    /** Every tensor's type, shape and bytes. */
    private static Map<String, String> tensors(Path model) throws IOException {
        Map<String, String> all = new TreeMap<>();
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(model)) {
            for (String name : files.names()) {
                byte[] bytes = new byte[files.map(name).remaining()];
                files.map(name).get(bytes);
                String head = files.info(name).dtype() + " " + files.info(name).shape();
                all.put(name, head + " " + Arrays.toString(bytes));
            }
        }
        return all;
    }

    private List<String> entries() throws IOException {
        try (Stream<Path> files = Files.list(dir)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @ParameterizedTest
    @CsvSource({"false, F32", "true, F32", "false, BF16", "true, F16"})
    void studentWhoseWindowSeesAllIsItsTeacher(boolean ties, DType dtype) throws IOException {
        Path teacher = TinyModels.teacher(dir.resolve("teacher"), ties, dtype);
        float[] expected = TinyModels.logits(teacher);

        Path same = convert(teacher, "same", LOLCATS.replace("WINDOW", "" + TinyModels.TOKENS));
        Path near = convert(teacher, "near", LOLCATS.replace("WINDOW", "4"));

        double off = TinyModels.distance(expected, TinyModels.logits(same));
        double largest = TinyModels.distance(expected, new float[expected.length]);
        assertTrue(off <= 1e-5 * Math.max(1, largest), off + " of " + largest);
        assertTrue(TinyModels.distance(expected, TinyModels.logits(near)) > 1e-2);
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(same)) {
            assertEquals(!ties, files.has("lm_head.weight"));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "fixtures/llama-gqa",
                "fixtures/llama3-rope-tied",
                "models/stories260K-hf-bf16-sharded"
            })
    void realTeachersStayThemselvesToo(String name) throws IOException {
        Path teacher = SharedFiles.path(name);

        Path same = convert(teacher, "same", LOLCATS.replace("WINDOW", "" + TinyModels.TOKENS));

        float[] expected = TinyModels.logits(teacher);
        double off = TinyModels.distance(expected, TinyModels.logits(same));
        double largest = TinyModels.distance(expected, new float[expected.length]);
        assertTrue(off <= 1e-5 * Math.max(1, largest), off + " of " + largest);
    }

    @Test
    void startValuesAreThoseOfAModelInMemory() throws IOException {
        Path teacher = teacher(DType.F32);
        String spec = "{feature_map: {kind: hedgehog, init: normal}, window: {size: 4}}";

        Path student = convert(teacher, "student", spec);

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelConfig config =
                    ModelConfig.parse(files.config(), "")
                            .withLinearAttention(Optional.of(TinyModels.spec(spec)));
            for (long seed : new long[] {5, 6}) {
                try (DecoderModel model = DecoderModel.load(files, config, Device.cpu(), seed)) {
                    boolean isEqual =
                            Arrays.equals(TinyModels.logits(model), TinyModels.logits(student));
                    assertEquals(seed == 5, isEqual);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"F32", "BF16", "F16"})
    void studentKeepsTheTeachersBitsAndAddsFloat32(DType dtype) throws IOException {
        Path teacher = teacher(dtype);

        Map<String, String> student = tensors(convert(teacher, "student", "{window: {size: 4}}"));

        Map<String, String> base = tensors(teacher);
        assertTrue(base.get("model.norm.weight").startsWith(dtype.name()));
        assertTrue(student.entrySet().containsAll(base.entrySet()));
        student.keySet().removeAll(base.keySet());
        TreeSet<String> added = new TreeSet<>();
        for (int layer = 0; layer < 3; layer++) {
            for (String name :
                    List.of("feature_map_q.weight", "feature_map_k.weight", "window_factor")) {
                added.add("model.layers." + layer + ".self_attn." + name);
            }
        }
        assertEquals(added, student.keySet());
        student.values().forEach(tensor -> assertTrue(tensor.startsWith("F32 [4")));
    }

    @Test
    void studentsConfigIsTheTeachersPlusTheAttention() throws IOException {
        Path teacher = teacher(DType.F32);
        AttentionSpec spec = AttentionPresets.spec("lizard");
        ObjectNode before = config(teacher);
        before.put("auto_map", "modeling.py");

        ObjectNode after = StudentConfig.of(before, "config.json", spec);

        assertEquals("llama", before.get("model_type").asText());
        assertEquals("tegu", after.get("model_type").asText());
        assertEquals("[\"TeguForCausalLM\"]", after.get("architectures").toString());
        assertEquals(1, after.at("/linear_attention/version").asInt());
        assertEquals("llama", after.at("/linear_attention/base_model_type").asText());
        assertFalse(after.has("auto_map"));
        assertEquals(
                ModelConfig.parse(config(teacher), "").withLinearAttention(Optional.of(spec)),
                ModelConfig.parse(after, ""));
        after.remove(List.of("model_type", "architectures", "linear_attention"));
        before.remove(List.of("model_type", "architectures", "auto_map"));
        assertEquals(before, after);
    }

    @Test
    void otherFilesAndFactsGoAlong() throws IOException {
        Path teacher = teacher(DType.F32);

        Path student = convert(teacher, "student", "{window: {size: 4}}");
        Path copy = dir.resolve("copy");
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(student)) {
            ModelWriter.copyOf(files).write(copy);
        }

        for (String name : List.of("tokenizer.json", "merges.txt", "generation_config.json")) {
            assertArrayEquals(
                    Files.readAllBytes(teacher.resolve(name)),
                    Files.readAllBytes(student.resolve(name)));
        }
        Manifest.verify(student);
        assertEquals(
                Map.of("kind", "student", "method", "lolcats", "tegu_version", TeguVersion.NUMBER),
                Manifest.read(student).properties());
        assertEquals("model", Manifest.read(teacher).properties().get("kind"));
        // The same content is the same bytes, manifest included.
        assertEquals(Manifest.read(student), Manifest.read(copy));
    }

    @Test
    void softmaxLayersGetNoParameters() throws IOException {
        Path student =
                convert(teacher(DType.F32), "s", "{window: {size: 4}, keep_softmax: [0, 2]}");

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(student)) {
            assertTrue(files.has("model.layers.1.self_attn.window_factor"));
            assertFalse(files.has("model.layers.0.self_attn.window_factor"));
            assertFalse(files.has("model.layers.2.self_attn.window_factor"));
        }
    }

    @Test
    void trainedParametersComeBackBitForBit() throws IOException {
        Path teacher = teacher(DType.BF16);
        Path start = convert(teacher, "start", "{window: {size: 4}, gate: scalar}");
        Path fromTeacher = dir.resolve("from-teacher");
        Path fromStudent = dir.resolve("from-student");
        float[] expected;
        try (DecoderModel model = DecoderModel.load(start, Device.cpu());
                HuggingFaceDirectory student = HuggingFaceDirectory.open(start);
                HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            TinyModels.disturb(model);
            for (DecoderLayer layer : model.layers()) {
                for (NDArray parameter : layer.parameters().values()) {
                    parameter.setRequiresGradient(true);
                }
            }
            expected = TinyModels.logits(model);
            AttentionSpec spec = model.config().linearAttention().orElseThrow();
            ModelWriter.student(files, spec, 9).parameters(model).write(fromTeacher);
            ModelWriter.copyOf(student).parameters(model).write(fromStudent);
        }

        assertArrayEquals(expected, TinyModels.logits(fromTeacher));
        assertEquals(tensors(fromTeacher), tensors(fromStudent));
        Map<String, String> moved = tensors(fromStudent);
        moved.entrySet().removeAll(tensors(start).entrySet());
        assertEquals(3 * 5, moved.size(), "every new parameter has moved, no other tensor");
    }

    @ParameterizedTest
    @CsvSource({"false, F32, 0", "true, F32, 0", "false, BF16, 0.3", "false, F16, 0.03"})
    void modelFromMemoryComesBack(boolean ties, DType dtype, double tolerance) throws IOException {
        ObjectNode config =
                StudentConfig.of(
                        TinyModels.config(ties), "config.json", AttentionPresets.spec("lolcats"));
        Path output = dir.resolve("model");
        float[] expected;
        try (DecoderModel model = TinyModels.random(config, 3)) {
            TinyModels.disturb(model);
            expected = TinyModels.logits(model);
            ModelWriter.of(model, config, dtype).write(output);
        }

        assertTrue(TinyModels.distance(expected, TinyModels.logits(output)) <= tolerance);
        tensors(output)
                .forEach(
                        (name, tensor) -> {
                            boolean isNew = name.matches(".*(feature_map|window_factor).*");
                            String type = isNew ? "F32" : dtype.name();
                            assertTrue(tensor.startsWith(type + " "), name);
                        });
    }

    @ParameterizedTest
    @CsvSource({
        "dtype, BF16, bfloat16, 0.3",
        "torch_dtype, F16, float16, 0.03",
        "torch_dtype, F32, float32, 0"
    })
    void castChangesWeightsAndConfigAlone(
            String spelling, DType dtype, String word, double tolerance) throws IOException {
        Path student = convert(teacher(DType.F32), "student", "{window: {size: 4}}");
        ObjectNode config = config(student);
        config.remove("dtype");
        config.put(spelling, "float32");
        Files.write(student.resolve("config.json"), StrictJson.toBytes(config));
        Path output = dir.resolve("cast");

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(student)) {
            ModelWriter.copyOf(files).cast(dtype).write(output);
        }

        assertEquals(config.put(spelling, word), config(output));
        Map<String, String> before = tensors(student);
        tensors(output)
                .forEach(
                        (name, tensor) -> {
                            if (name.contains("feature_map") || name.contains("window_factor")) {
                                assertEquals(before.get(name), tensor);
                            } else {
                                assertTrue(tensor.startsWith(dtype + " "), name);
                            }
                        });
        double off = TinyModels.distance(TinyModels.logits(student), TinyModels.logits(output));
        assertTrue(off <= tolerance && (off > 0 || dtype == DType.F32), "off by " + off);
    }

    @Test
    void castThereAndBackKeepsBfloat16Bits() throws IOException {
        Path teacher = teacher(DType.BF16);
        Path wide = dir.resolve("wide");
        Path back = dir.resolve("back");

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter.copyOf(files).cast(DType.F32).write(wide);
        }
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(wide)) {
            ModelWriter.copyOf(files).cast(DType.BF16).write(back);
        }

        assertEquals(tensors(teacher), tensors(back));
        assertArrayEquals(TinyModels.logits(teacher), TinyModels.logits(wide));
    }

    @Test
    void valueThatFloat16CannotHoldIsRefused() throws IOException {
        ObjectNode config = TinyModels.config(false);
        Path output = dir.resolve("model");
        try (DecoderModel model = TinyModels.random(config, 3)) {
            model.layers().get(1).weights().get("up_proj.weight").muli(1e6f);

            CheckpointException e =
                    assertThrows(
                            CheckpointException.class,
                            () -> ModelWriter.of(model, config, DType.F16).write(output));

            assertTrue(e.getMessage().startsWith("`model.layers.1.mlp.up_proj.weight`: the value"));
            assertTrue(e.getMessage().contains("too large for float16"));
        }
        assertEquals(List.of(), entries());
    }

    @Test
    void changedWeightsAreSeenInWholeAndInOrder() throws IOException {
        Path teacher = teacher(DType.F32);
        Path output = dir.resolve("changed");
        String name = "model.layers.0.self_attn.q_proj.weight";
        List<Long> starts = new ArrayList<>();

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter writer = ModelWriter.copyOf(files);
            ModelLayout.Entry weight =
                    new ModelLayout(writer.model())
                            .all().stream()
                                    .filter(entry -> entry.name().equals(name))
                                    .findFirst()
                                    .orElseThrow();
            writer.change(
                            weight,
                            (rows, from) -> {
                                starts.add(from);
                                assertEquals(16, rows.getShape().get(0));
                                return rows.mul(2);
                            })
                    .write(output);
        }

        assertEquals(List.of(0L), starts);
        Map<String, String> changed = tensors(output);
        changed.entrySet().removeAll(tensors(teacher).entrySet());
        assertEquals(Set.of(name), changed.keySet());
    }

    @Test
    void largeModelsAreSharded() throws IOException {
        Path teacher = teacher(DType.F32);
        Path sharded = dir.resolve("sharded");

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter.copyOf(files).maxShardBytes(8_000).write(sharded);
        }

        assertTrue(Files.exists(sharded.resolve("model.safetensors.index.json")));
        assertEquals(tensors(teacher), tensors(sharded));
    }

    @Test
    void refusalsNameTheFaultAndLeaveNothing() throws IOException {
        Path teacher = teacher(DType.F32);
        Path student = convert(teacher, "student", "{window: {size: 4}}");
        List<String> before = entries();

        CheckpointException again =
                assertThrows(
                        CheckpointException.class,
                        () -> convert(student, "again", "{window: {size: 4}}"));
        InvalidValueException beyond =
                assertThrows(
                        InvalidValueException.class,
                        () -> convert(teacher, "x", "{window: {size: 4}, keep_softmax: [1, 3]}"));
        CheckpointException occupied =
                assertThrows(
                        CheckpointException.class,
                        () -> convert(teacher, "student", "{window: {size: 4}}"));

        assertTrue(again.getMessage().contains("is a student already"), again.getMessage());
        assertEquals("keep_softmax", beyond.key());
        assertEquals("names the layers [3], the model has the layers 0 to 2", beyond.getMessage());
        assertTrue(occupied.getMessage().contains("is not empty"), occupied.getMessage());
        assertEquals(before, entries());
        Manifest.verify(student);
    }

    @Test
    void failureWhileWritingLeavesNothing() throws IOException {
        Path teacher = teacher(DType.F32);
        List<String> before = entries();

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter writer =
                    ModelWriter.copyOf(files)
                            .extra(
                                    directory -> {
                                        throw new IOException("disk full");
                                    });
            assertThrows(IOException.class, () -> writer.write(dir.resolve("output")));
        }

        assertEquals(before, entries());
    }

    @Test
    void anotherModelsParametersAreRefused() throws IOException {
        Path teacher = teacher(DType.F32);
        Path four = convert(teacher, "four", "{window: {size: 4}}");
        Path eight = convert(teacher, "eight", "{window: {size: 8}}");

        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(four);
                DecoderModel other = DecoderModel.load(eight, Device.cpu())) {
            ModelWriter writer = ModelWriter.copyOf(files);
            assertThrows(IllegalArgumentException.class, () -> writer.parameters(other));
        }
    }

    @Test
    void damagedTeacherIsRefusedBeforeWriting() throws IOException {
        Path teacher = teacher(DType.F32);
        ObjectNode config = config(teacher);
        config.put("num_hidden_layers", 4);
        Files.write(teacher.resolve("config.json"), StrictJson.toBytes(config));

        CheckpointException e =
                assertThrows(
                        CheckpointException.class,
                        () -> convert(teacher, "student", "{window: {size: 4}}"));

        assertTrue(e.getMessage().contains("model.layers.3."), e.getMessage());
        assertTrue(e.getMessage().contains("missing"), e.getMessage());
    }

    @Test
    void versionIsTheBuilds() throws IOException {
        String pom = Files.readString(Path.of("../pom.xml"));

        assertTrue(pom.contains("<version>" + TeguVersion.NUMBER + "-SNAPSHOT</version>"));
    }
}
