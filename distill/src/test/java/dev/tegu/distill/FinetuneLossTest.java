package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The loss of stage 2 and its gradients. */
class FinetuneLossTest {
    private static final AttentionSpec METHOD = Tiny.method("lizard", "[]");
    private static final String ALL_KINDS =
            "trains: [lora, feature_map, gate, sinks, alpha, window_factor, output_norm], r: 2,"
                    + " target_modules: [q_proj, o_proj, down_proj]";

    private static DecoderModel student() throws IOException {
        DecoderModel model = Tiny.student(2, METHOD);
        TinyModels.disturb(model);
        return model;
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "ce_weight: 1.0",
                "ce_weight: 0.0, kl_weight: 1.0",
                "ce_weight: 0.0, kl_weight: 1.0, kl_temperature: 2.0",
                "ce_weight: 0.5, kl_weight: 2.0, kl_temperature: 0.7, gradient_checkpointing: true"
            })
    @DisplayName("gradients of adapters, feature maps and gates are the loss's slope")
    void gradientsAreTheSlopeOfTheLoss(String loss) throws IOException {
        try (DecoderModel model = student()) {
            NextToken objective =
                    Stage2.objective(model, "{tokens: 1, " + ALL_KINDS + ", " + loss + "}");
            Map<String, float[]> gradients = Stage2.gradients(objective, StepContext.first());

            Map<String, List<String>> kinds =
                    Stage2.parameters(objective).keySet().stream()
                            .collect(Collectors.groupingBy(n -> ParameterKind.of(n).word()));

            assertEquals(Set.of("lora", "feature_map", "gate", "sinks", "alpha"), kinds.keySet());
            kinds.forEach((kind, names) -> assertSlope(objective, kind, names, gradients));
        }
    }

    /** Along the gradient of some parameters the slope of the loss is the gradient's length. */
    private static void assertSlope(
            NextToken objective, String kind, List<String> names, Map<String, float[]> gradients) {
        Map<String, NDArray> parameters = Stage2.parameters(objective);
        double square = 0;
        for (String name : names) {
            double norm = norm(gradients.get(name));
            assertTrue(norm > 1e-6, name + " has no gradient");
            square += norm * norm;
        }
        double norm = Math.sqrt(square);
        double step = 2e-3 * Math.max(1, 0.3 / norm);
        names.forEach(n -> Stage2.move(parameters.get(n), gradients.get(n), step / norm));
        double above = Stage2.loss(objective).total();
        names.forEach(n -> Stage2.move(parameters.get(n), gradients.get(n), -2 * step / norm));
        double below = Stage2.loss(objective).total();
        names.forEach(n -> Stage2.move(parameters.get(n), gradients.get(n), step / norm));
        double slope = (above - below) / (2 * step);
        assertEquals(norm, slope, 0.02 * norm + 1e-4, kind);
    }

    private static double norm(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }

    @Test
    void theTeacherIsTheModelWithoutAdaptersAndWithSoftmaxAttention() throws IOException {
        try (DecoderModel model = student();
                DecoderModel base = Tiny.base(2);
                NDManager scope = model.manager().newSubManager()) {
            Stage2.objective(model, "{tokens: 1, target_modules: [v_proj, up_proj]}");
            TrainingBatch batch = Stage2.batch(scope);

            float[] taught = model.teacher(batch.tokens()).toFloatArray();

            assertArrayEquals(base.forward(batch.tokens()).toFloatArray(), taught);
            assertNotEquals(
                    0, TinyModels.distance(taught, model.forward(batch.ids()).toFloatArray()));
        }
    }

    @Test
    @DisplayName("cross-entropy and KL are reported before their factors, over the same positions")
    void partsAreTheMeansByHand() throws IOException {
        try (DecoderModel model = student();
                NDManager scope = model.manager().newSubManager()) {
            NextToken objective =
                    Stage2.objective(
                            model,
                            "{tokens: 1, ce_weight: 0.25, kl_weight: 3.0, kl_temperature: 2.0}");
            TrainingBatch batch = Stage2.batch(scope);
            long[] labels = batch.labels().toLongArray();
            int vocabulary = model.vocabSize();
            float[] student = model.logits(model.forward(batch.tokens())).toFloatArray();
            float[] teacher = model.logits(model.teacher(batch.tokens())).toFloatArray();
            double ce = 0;
            double kl = 0;
            int learnt = 0;
            for (int i = 0; i + 1 < labels.length; i++) {
                if ((i + 1) % Tiny.LENGTH == 0 || labels[i + 1] == -100) {
                    continue;
                }
                double[] s = logProbabilities(student, i * vocabulary, vocabulary, 1);
                double[] warmS = logProbabilities(student, i * vocabulary, vocabulary, 2);
                double[] warmT = logProbabilities(teacher, i * vocabulary, vocabulary, 2);
                learnt++;
                ce -= s[(int) labels[i + 1]];
                for (int v = 0; v < vocabulary; v++) {
                    kl += Math.exp(warmT[v]) * (warmT[v] - warmS[v]);
                }
            }

            Losses found = objective.loss(batch);

            assertEquals(
                    List.of("cross_entropy", "kl"),
                    found.parts().stream().map(Losses.Part::name).toList());
            assertEquals(ce / learnt, found.of("cross_entropy"), 1e-5 * ce / learnt);
            assertEquals(kl / learnt, found.of("kl"), 1e-5 * kl / learnt);
            double total = 0.25 * ce / learnt + 3 * 4 * kl / learnt;
            assertEquals(total, found.total(), 1e-5 * total);
            objective
                    .groups()
                    .get(0)
                    .parameters()
                    .values()
                    .forEach(p -> p.setRequiresGradient(true));
            assertEquals(
                    found.total(),
                    objective.backward(batch, StepContext.first()).read().total(),
                    1e-6);
        }
    }

    private static double[] logProbabilities(float[] all, int from, int size, double temperature) {
        double sum = 0;
        for (int i = 0; i < size; i++) {
            sum += Math.exp(all[from + i] / temperature);
        }
        double[] logs = new double[size];
        for (int i = 0; i < size; i++) {
            logs[i] = all[from + i] / temperature - Math.log(sum);
        }
        return logs;
    }

    @Test
    void withoutAFactorTheTeacherIsNotRun() throws IOException {
        try (DecoderModel model = student()) {
            Losses found = Stage2.loss(Stage2.objective(model, "{tokens: 1}"));

            assertEquals(1, found.parts().size());
            assertEquals(found.total(), found.of("cross_entropy"));
        }
    }

    @Test
    void theLayerThatStopsBeingFiniteIsNamed() throws IOException {
        try (DecoderModel model = student();
                NDManager scope = model.manager().newSubManager()) {
            NextToken objective = Stage2.objective(model, "{tokens: 1}");
            TrainingBatch batch = Stage2.batch(scope);

            poison(model.ends().get(1));
            assertEquals("head", objective.firstNonFinite(batch).orElseThrow());
            poison(model.layers().get(1).weights().get("up_proj.weight"));
            assertEquals("layers.1", objective.firstNonFinite(batch).orElseThrow());
            poison(model.layers().get(0).parameters().get("alpha"));
            assertEquals("layers.0", objective.firstNonFinite(batch).orElseThrow());
            poison(model.ends().get(0));
            assertEquals("embed_tokens", objective.firstNonFinite(batch).orElseThrow());
        }
    }

    private static void poison(NDArray array) {
        float[] nan = new float[(int) array.size()];
        Arrays.fill(nan, Float.NaN);
        Stage2.move(array, nan, 1);
    }
}
