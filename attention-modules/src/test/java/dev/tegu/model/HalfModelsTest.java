package dev.tegu.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionShape;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Models whose frozen weights are bfloat16 or float16 in memory. */
class HalfModelsTest {
    @TempDir Path dir;

    private static DecoderModel load(Path dir, Optional<String> method, DType type)
            throws IOException {
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(dir)) {
            ModelConfig config =
                    ModelConfig.parse(files.config(), "test")
                            .withLinearAttention(method.map(TinyStudents::spec));
            DecoderModel model = DecoderModel.load(files, config, Device.cpu(), 3, type, false);
            TinyModels.disturb(model);
            return model;
        }
    }

    private static TokenBatch batch(NDManager owner, boolean hasDocuments) {
        long[] ids = new long[2 * TinyModels.TOKENS];
        long[] documents = new long[ids.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (7L * i * i + 3L * i) % 40;
            documents[i] = i / 9;
        }
        Shape shape = new Shape(2, TinyModels.TOKENS);
        return new TokenBatch(
                owner.create(ids, shape),
                Optional.empty(),
                hasDocuments ? Optional.of(owner.create(documents, shape)) : Optional.empty());
    }

    private static float[] wide(NDArray hidden) {
        try (TorchScript half =
                TorchScript.load(AttentionShape.class, "half.py", Map.of("dtype", 5L))) {
            return half.call("widen", new TorchScript.Arguments().add(hidden))
                    .get(0)
                    .toFloatArray();
        }
    }

    /** Root mean square of the difference over that of what is expected. */
    private static double relative(float[] expected, float[] found) {
        double off = 0;
        double size = 0;
        for (int i = 0; i < expected.length; i++) {
            off += Math.pow((double) expected[i] - found[i], 2);
            size += Math.pow(expected[i], 2);
        }
        return Math.sqrt(off / size);
    }

    static Stream<Arguments> models() {
        List<Arguments> all = new ArrayList<>();
        for (String method : AttentionPresets.NAMES) {
            all.add(Arguments.of(method, DType.BF16));
        }
        all.add(Arguments.of("teacher", DType.BF16));
        for (String method : List.of("teacher", "lolcats", "lizard", "gla")) {
            all.add(Arguments.of(method, DType.F16));
        }
        return all.stream();
    }

    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("models")
    void theyComputeAsTheFloat32ModelOfTheirWeights(String method, DType type) throws IOException {
        Path path = TinyModels.teacher(dir.resolve("teacher"), false, type);
        Optional<String> spec = Optional.of(method).filter(m -> !m.equals("teacher"));
        try (DecoderModel wide = load(path, spec, DType.F32);
                DecoderModel half = load(path, spec, type);
                NDManager scope = wide.manager().newSubManager()) {
            assertEquals(type, half.dtype());
            for (boolean hasDocuments : new boolean[] {false, true}) {
                TokenBatch batch = batch(scope, hasDocuments);
                NDArray expected = wide.forward(batch);
                NDArray found = half.forward(batch);

                assertTrue(found.getDataType() != DataType.FLOAT32);
                double off = relative(expected.toFloatArray(), wide(found));
                // sums that nothing divides pass the rounding of q and k on
                double bound = method.equals("gla") ? 3e-2 : 2e-2;
                assertTrue(off <= bound, method + ": hidden states off by " + off);
                assertEquals(DataType.FLOAT32, half.logits(found).getDataType());
                NDArray taught = half.teacher(batch);
                double of = relative(wide.teacher(batch).toFloatArray(), wide(taught));
                assertTrue(of <= 2e-2, method + ": teacher off by " + of);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"teacher, BF16", "teacher, F16", "lolcats, BF16", "lolcats, F16"})
    void textsAreContinuedFromAState(String method, DType type) throws IOException {
        Path path = TinyModels.teacher(dir.resolve("teacher"), false, type);
        Optional<String> spec = Optional.of(method).filter(m -> !m.equals("teacher"));
        try (DecoderModel wide = load(path, spec, DType.F32);
                DecoderModel half = load(path, spec, type);
                DecoderState ofWide = wide.newState();
                DecoderState ofHalf = half.newState();
                NDManager scope = wide.manager().newSubManager()) {
            for (int length : new int[] {7, 1, 1}) {
                NDArray ids = scope.zeros(new Shape(2, length), DataType.INT64);
                NDArray expected = wide.forward(ids, ofWide);
                double off = relative(expected.toFloatArray(), wide(half.forward(ids, ofHalf)));
                assertTrue(off <= 2e-2, method + ": off by " + off);
            }
        }
    }

    @ParameterizedTest(name = "a {0} file as {1}")
    @CsvSource({"BF16, BF16", "F16, F16", "F32, BF16", "F32, F16", "F16, BF16", "BF16, F16"})
    void weightsAreTheFilesRoundedOnce(DType file, DType memory) throws IOException {
        Path path = TinyModels.teacher(dir.resolve("teacher"), true, file);
        Path cast = dir.resolve("cast");
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(path)) {
            ModelWriter.copyOf(files).cast(memory).write(cast);
        }
        try (DecoderModel expected = DecoderModel.load(cast, Device.cpu());
                DecoderModel found = load(path, Optional.empty(), memory)) {
            for (int i = 0; i < 3; i++) {
                Map<String, NDArray> weights = found.layers().get(i).weights();
                expected.layers()
                        .get(i)
                        .weights()
                        .forEach(
                                (role, weight) -> {
                                    NDArray half = weights.get(role);
                                    assertEquals(
                                            memory == DType.F16
                                                    ? DataType.FLOAT16
                                                    : DataType.UNKNOWN,
                                            half.getDataType());
                                    assertArrayEquals(weight.toFloatArray(), wide(half), role);
                                });
            }
        }
    }

    @Test
    void newParametersStayFloat32() throws IOException {
        Path path = TinyModels.teacher(dir.resolve("teacher"), true, DType.BF16);
        try (DecoderModel model = load(path, Optional.of("lizard"), DType.BF16)) {
            model.layers()
                    .forEach(
                            layer ->
                                    layer.parameters()
                                            .values()
                                            .forEach(
                                                    p ->
                                                            assertEquals(
                                                                    DataType.FLOAT32,
                                                                    p.getDataType())));
        }
    }

    @Test
    void autoIsTheCheckpointsType() throws IOException {
        for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
            Path path = TinyModels.teacher(dir.resolve(type.name()), false, type);
            try (HuggingFaceDirectory files = HuggingFaceDirectory.open(path)) {
                ModelConfig config = ModelConfig.parse(files.config(), "test");
                assertEquals(type, MemoryType.AUTO.of(files, config));
                assertEquals(DType.BF16, MemoryType.BFLOAT16.of(files, config));
                assertEquals(DType.F16, MemoryType.FLOAT16.of(files, config));
                assertEquals(DType.F32, MemoryType.FLOAT32.of(files, config));
            }
        }
    }

    @Test
    void aWeightTooLargeForFloat16IsRefusedByName() throws IOException {
        Path path = dir.resolve("teacher");
        try (DecoderModel model = TinyModels.random(TinyModels.config(false), 1)) {
            model.layers().get(1).weights().get("up_proj.weight").muli(1e6);
            ModelWriter.of(model, TinyModels.config(false), DType.BF16).write(path);
        }

        CheckpointException e =
                assertThrows(
                        CheckpointException.class, () -> load(path, Optional.empty(), DType.F16));

        String message = e.getMessage();
        assertTrue(message.startsWith("`model.layers.1.mlp.up_proj.weight`: "), message);
        assertTrue(message.endsWith("set `dtype` to bfloat16 or float32"), message);
    }

    @Test
    void weightsInHalfAreNotWritten() throws IOException {
        Path path = TinyModels.teacher(dir.resolve("teacher"), false, DType.F16);
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(path);
                DecoderModel model = load(path, Optional.empty(), DType.F16)) {
            ModelWriter writer = ModelWriter.copyOf(files);
            assertThrows(IllegalArgumentException.class, () -> writer.weights(model));
        }
    }

    @Test
    void trainedWeightsKeepTheTypesOfTheFileAndAreNotTheFile() throws IOException {
        Path path = TinyModels.teacher(dir.resolve("teacher"), true, DType.F32);
        float[] before = TinyModels.logits(path);
        float[] trained;
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(path);
                DecoderModel model =
                        DecoderModel.load(
                                files,
                                ModelConfig.parse(files.config(), "test"),
                                Device.cpu(),
                                0,
                                DType.F32,
                                true)) {
            model.layers().forEach(l -> l.weights().values().forEach(w -> w.muli(1.1)));
            model.ends().get(0).muli(0.9);
            model.ends().get(1).muli(1.2);
            trained = TinyModels.logits(model);
            ModelWriter.copyOf(files).weights(model).write(dir.resolve("out"));
        }

        assertArrayEquals(trained, TinyModels.logits(dir.resolve("out")));
        assertArrayEquals(before, TinyModels.logits(path));
        assertTrue(!Arrays.equals(before, trained));
        Path half = TinyModels.teacher(dir.resolve("half"), true, DType.BF16);
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(half);
                DecoderModel model = DecoderModel.load(half, Device.cpu())) {
            ModelWriter.copyOf(files).weights(model).write(dir.resolve("out of half"));
        }
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(dir.resolve("out of half"))) {
            for (String name : files.names()) {
                assertEquals(DType.BF16, files.info(name).dtype(), name);
            }
        }
    }
}
