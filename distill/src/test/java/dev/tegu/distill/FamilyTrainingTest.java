package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import dev.tegu.attention.FusedAttention;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.Families;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Both stages on students of every family. */
class FamilyTrainingTest {
    private static final String ALL = "{tokens: 1, trains: [weight, feature_map, gate]}";

    /** Families whose layers another one's are, but for sizes. */
    private static final Set<String> ALIKE =
            Set.of("gpt2-n_inner", "mistral-head_dim", "qwen2", "phi3-longrope", "llama");

    @TempDir Path dir;

    static Stream<String> names() {
        return Families.all().filter(name -> !ALIKE.contains(name));
    }

    private static DecoderModel student(String name) throws IOException {
        return Families.random(name, Optional.of(Tiny.method("lizard", "[1]")));
    }

    /** Recorded, recorded layer by layer, and around the attention; and along the gradient. */
    @ParameterizedTest
    @MethodSource("names")
    void gradientsOfFinetuningAreSlopesWhateverTheWay(String name) throws IOException {
        try (DecoderModel model = student(name);
                FusedAttention outside = SplitPassTest.attention(model)) {
            LoraFinetuneSettings settings = Stage2.settings(ALL);
            LoraFinetuneSettings anew =
                    Stage2.settings(ALL.replace("}", ", gradient_checkpointing: true}"));
            NextToken recorded = NextToken.finetune(settings, model, Optional.empty());
            NextToken split = NextToken.finetune(settings, model, Optional.empty());
            split.split(outside);

            Map<String, float[]> expected = Stage2.gradients(recorded, StepContext.first());

            assertNear(expected, Stage2.gradients(split, StepContext.first()));
            assertNear(
                    expected,
                    Stage2.gradients(
                            NextToken.finetune(anew, model, Optional.empty()),
                            StepContext.first()));
            assertSlope(recorded, expected);
        }
    }

    /** Caps and biases of the head stand in the teacher's predictions, too. */
    @ParameterizedTest
    @MethodSource("names")
    void gradientsOfTheDivergenceAreSlopes(String name) throws IOException {
        try (DecoderModel model = student(name)) {
            NextToken objective =
                    Stage2.objective(
                            model, "{tokens: 1, r: 2, kl_weight: 1.0, kl_temperature: 2.0}");

            assertSlope(objective, Stage2.gradients(objective, StepContext.first()));
        }
    }

    /** Along the gradient the slope of the loss is the gradient's length. */
    private static void assertSlope(NextToken objective, Map<String, float[]> gradients) {
        Map<String, NDArray> parameters = Stage2.parameters(objective);
        double square = 0;
        for (float[] gradient : gradients.values()) {
            square += dot(gradient, gradient);
        }
        double length = Math.sqrt(square);
        double step = 2e-3;
        double[] losses = new double[2];
        for (int side = 0; side < 2; side++) {
            double move = (side == 0 ? step : -2 * step) / length;
            gradients.forEach((n, g) -> Stage2.move(parameters.get(n), g, move));
            losses[side] = Stage2.loss(objective).total();
        }
        assertEquals(length, (losses[0] - losses[1]) / (2 * step), 0.02 * length);
    }

    private static double dot(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }

    private static void assertNear(Map<String, float[]> expected, Map<String, float[]> found) {
        assertEquals(expected.keySet(), found.keySet());
        expected.forEach(
                (name, values) -> {
                    double off = 0;
                    for (int i = 0; i < values.length; i++) {
                        off += Math.pow((double) values[i] - found.get(name)[i], 2);
                    }
                    double size = Math.sqrt(dot(values, values));
                    assertTrue(Math.sqrt(off) <= 5e-5 * size + 1e-7, name + ": " + off);
                });
    }

    @ParameterizedTest
    @MethodSource("names")
    void eachStageMovesWhatItTrainsAndNothingElse(String name) throws IOException {
        try (DecoderModel model = student(name)) {
            Map<String, float[]> before = values(model);
            try (AttentionTransfer transfer = new AttentionTransfer(model)) {
                train(model, transfer, "transfer");
            }
            Map<String, float[]> transferred = values(model);
            transferred.forEach(
                    (key, now) ->
                            assertEquals(
                                    ParameterKind.of(key) == ParameterKind.WEIGHT,
                                    Arrays.equals(before.get(key), now),
                                    key));

            NextToken finetuning = Stage2.objective(model, "{tokens: 1, r: 2}");
            Map<String, float[]> adapters = copies(finetuning);
            train(model, finetuning, "finetuning");

            values(model).forEach((k, now) -> assertArrayEquals(transferred.get(k), now, k));
            copies(finetuning)
                    .forEach(
                            (key, now) ->
                                    assertEquals(
                                            false, Arrays.equals(adapters.get(key), now), key));
        }
    }

    private void train(DecoderModel model, Objective objective, String stage) throws IOException {
        TrainingSettings settings =
                Tiny.transfer("{tokens: 48, batch_size: 2, learning_rate: 0.01, log_every: 1}");
        new TrainingLoop(Tiny.data(dir), Optional.empty(), settings, 3, new TrainingListener() {})
                .run(
                        objective,
                        model.manager(),
                        new StageCheckpoints(dir.resolve(stage), Map.of()));
    }

    private static Map<String, float[]> copies(NextToken objective) {
        Map<String, float[]> values = new LinkedHashMap<>();
        Stage2.parameters(objective).forEach((key, array) -> values.put(key, array.toFloatArray()));
        return values;
    }

    private static Map<String, float[]> values(DecoderModel model) {
        Map<String, float[]> values = new LinkedHashMap<>();
        TrainedParameters.everything(model)
                .forEach((key, array) -> values.put(key, array.toFloatArray()));
        return values;
    }
}
