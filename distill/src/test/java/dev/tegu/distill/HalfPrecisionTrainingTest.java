package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Both stages on models whose frozen weights are bfloat16 or float16. */
class HalfPrecisionTrainingTest {
    private static final AttentionSpec METHOD = Tiny.method("lizard", "[1]");

    /** Float16 holds nothing under 6e-8: gradients of this loss are lost without a scale. */
    private static final String FAINT = "{tokens: 1, ce_weight: 1.0e-6, r: 2}";

    @TempDir Path dir;

    /** Writes a base model in each type. */
    @BeforeEach
    void writeBases() throws IOException {
        try (DecoderModel model = Tiny.base(2)) {
            for (DType type : List.of(DType.BF16, DType.F16)) {
                ModelWriter.of(model, Tiny.config(2), type).write(dir.resolve(type.name()));
            }
        }
    }

    /**
     * @param file type in the file
     * @param memory type in memory
     */
    private DecoderModel student(DType file, DType memory) throws IOException {
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(dir.resolve(file.name()))) {
            ModelConfig config =
                    ModelConfig.parse(files.config(), "test")
                            .withLinearAttention(Optional.of(METHOD));
            DecoderModel model = DecoderModel.load(files, config, Device.cpu(), 3, memory, false);
            TinyModels.disturb(model);
            return model;
        }
    }

    private static double relative(float[] expected, float[] found) {
        double off = 0;
        double size = 0;
        for (int i = 0; i < expected.length; i++) {
            off += Math.pow((double) expected[i] - found[i], 2);
            size += Math.pow(expected[i], 2);
        }
        return Math.sqrt(off / size);
    }

    private static StepContext scaled(float scale) {
        return new StepContext(0, 0, 1, 0, scale, Set.of());
    }

    @ParameterizedTest(name = "{0}, scale {1}, {2}")
    @CsvSource(
            delimiter = '|',
            value = {
                "BF16 | 1 | r: 2",
                "BF16 | 1 | kl_weight: 1.0, trains: [lora, feature_map, gate, alpha, sinks]",
                "BF16 | 1 | gradient_checkpointing: true, trains: [lora, feature_map]",
                "F16 | 1024 | r: 2",
                "F16 | 1024 | kl_weight: 1.0, trains: [lora, feature_map, gate, alpha, sinks]",
                "F16 | 1024 | gradient_checkpointing: true, trains: [lora, feature_map]"
            })
    @DisplayName("stage 2: losses and gradients are those of the float32 model of the weights")
    void finetuningIsThatOfTheFloat32Model(DType type, float scale, String settings)
            throws IOException {
        String yaml = "{tokens: 1, " + settings + "}";
        try (DecoderModel wide = student(type, DType.F32);
                DecoderModel half = student(type, type)) {
            NextToken expected = Stage2.objective(wide, yaml);
            NextToken found = Stage2.objective(half, yaml);

            assertEquals(type == DType.F16, found.needsLossScaling());
            Losses loss = Stage2.loss(expected);
            for (Losses.Part part : Stage2.loss(found).parts()) {
                assertEquals(loss.of(part.name()), part.loss(), 2e-2 * loss.of(part.name()));
            }
            Map<String, float[]> slopes = Stage2.gradients(found, scaled(scale));
            Stage2.gradients(expected, scaled(scale))
                    .forEach(
                            (name, gradient) -> {
                                double off = relative(gradient, slopes.get(name));
                                assertTrue(off < 0.1, name + " off by " + off);
                            });
        }
    }

    @ParameterizedTest
    @CsvSource({"BF16, 1", "F16, 16"})
    @DisplayName("stage 1: losses and gradients are those of the float32 model of the weights")
    void transferIsThatOfTheFloat32Model(DType type, float scale) throws IOException {
        try (DecoderModel wide = student(type, DType.F32);
                DecoderModel half = student(type, type);
                AttentionTransfer expected = new AttentionTransfer(wide);
                AttentionTransfer found = new AttentionTransfer(half)) {
            assertEquals(type == DType.F16, found.needsLossScaling());
            double loss = Stage2.loss(expected).total();
            assertEquals(loss, Stage2.loss(found).total(), 2e-2 * loss);
            Map<String, float[]> slopes = Stage2.gradients(found, scaled(scale));
            Stage2.gradients(expected, scaled(scale))
                    .forEach(
                            (name, gradient) -> {
                                double off = relative(gradient, slopes.get(name));
                                assertTrue(off < 0.1, name + " off by " + off);
                            });
        }
    }

    @Test
    void smallGradientsOfAFloat16ModelSurviveByTheLossScale() throws IOException {
        try (DecoderModel wide = student(DType.F16, DType.F32);
                DecoderModel half = student(DType.F16, DType.F16)) {
            Map<String, float[]> expected =
                    Stage2.gradients(Stage2.objective(wide, FAINT), scaled(1));
            NextToken objective = Stage2.objective(half, FAINT);

            Map<String, float[]> lost = Stage2.gradients(objective, scaled(1));
            Map<String, float[]> kept = Stage2.gradients(objective, scaled(65_536));

            expected.forEach(
                    (name, gradient) -> {
                        float[] unscaled = kept.get(name).clone();
                        for (int i = 0; i < unscaled.length; i++) {
                            unscaled[i] /= 65_536;
                        }
                        assertTrue(relative(gradient, unscaled) < 0.1, name);
                        assertTrue(relative(gradient, lost.get(name)) > 0.3, name);
                    });
        }
    }

    /** Steps of a loss so large that its gradients overflow at first. */
    private Map<String, float[]> overflowing(String name, int stopAfter) throws IOException {
        String yaml =
                "{tokens: 576, batch_size: 2, learning_rate: 0.01, log_every: 1, save_every: 0,"
                        + " ce_weight: 200.0, r: 2}";
        List<Float> firstOfB = new ArrayList<>();
        Map<String, float[]> values = new LinkedHashMap<>();
        try (DecoderModel model = student(DType.F16, DType.F16)) {
            NextToken objective = Stage2.objective(model, yaml);
            NDArray watched = Stage2.parameters(objective).values().iterator().next();
            firstOfB.add(watched.toFloatArray()[0]);
            TrainingListener listener =
                    new TrainingListener() {
                        @Override
                        public void stepFinished(Step step) {
                            firstOfB.add(watched.toFloatArray()[0]);
                        }
                    };
            try {
                new TrainingLoop(
                                Tiny.data(dir),
                                Optional.empty(),
                                Stage2.settings(yaml).training(),
                                3,
                                listener,
                                () -> firstOfB.size() == stopAfter + 1)
                        .run(
                                objective,
                                model.manager(),
                                new StageCheckpoints(dir.resolve(name), Map.of()));
            } catch (StoppedException e) {
                assertEquals(firstOfB.get(0), firstOfB.get(1), "the first step overflows");
                return values;
            }
            Stage2.parameters(objective).forEach((n, p) -> values.put(n, p.toFloatArray()));
        }
        return values;
    }

    @Test
    void anOverflowHalvesTheScaleSkipsTheStepAndIsRemembered() throws IOException {
        Map<String, float[]> whole = overflowing("whole", 100);
        overflowing("parts", 2);
        String facts = facts(dir.resolve("parts/step-2"));
        assertTrue(facts.contains("16384.0"), facts);

        Map<String, float[]> parts = overflowing("parts", 100);

        assertTrue(!whole.isEmpty());
        whole.forEach((name, values) -> assertArrayEquals(values, parts.get(name), name));
        try (DecoderModel model = student(DType.F16, DType.F16)) {
            Stage2.parameters(Stage2.objective(model, "{tokens: 1, r: 2}"))
                    .forEach(
                            (name, start) ->
                                    assertTrue(
                                            TinyModels.distance(
                                                            start.toFloatArray(), whole.get(name))
                                                    > 0,
                                            name));
        }
    }

    /** Everything that a checkpoint says in words. */
    private static String facts(Path step) throws IOException {
        StringBuilder text = new StringBuilder();
        try (Stream<Path> files = Files.list(step)) {
            for (Path file : files.filter(f -> f.toString().endsWith(".json")).toList()) {
                text.append(Files.readString(file));
            }
        }
        return text.toString();
    }

    @Test
    void stepsOfABfloat16ModelAreTakenAgainToTheBit() throws IOException {
        List<Map<String, float[]>> runs = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            try (DecoderModel model = student(DType.BF16, DType.BF16);
                    AttentionTransfer transfer = new AttentionTransfer(model);
                    NDManager scope = model.manager().newSubManager()) {
                new TrainingLoop(
                                Tiny.data(dir),
                                Optional.empty(),
                                Tiny.transfer("{tokens: 192, batch_size: 2}"),
                                3,
                                new TrainingListener() {})
                        .run(
                                transfer,
                                scope,
                                new StageCheckpoints(dir.resolve("run " + i), Map.of()));
                runs.add(Tiny.parameters(model));
            }
        }
        runs.get(0).forEach((name, v) -> assertArrayEquals(v, runs.get(1).get(name), name));
    }
}
