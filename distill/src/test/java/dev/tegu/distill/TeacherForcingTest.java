package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Attention transfer leaves the teacher as it is, and every layer to itself. */
class TeacherForcingTest {
    private static final int LAYERS = 3;

    @TempDir Path dir;

    private static DecoderModel student(String preset, String keepSoftmax) throws IOException {
        DecoderModel model = Tiny.student(LAYERS, Tiny.method(preset, keepSoftmax));
        TinyModels.disturb(model);
        return model;
    }

    private static void requireGradients(Objective transfer) {
        transfer.groups()
                .forEach(
                        group ->
                                group.parameters()
                                        .values()
                                        .forEach(p -> p.setRequiresGradient(true)));
    }

    private static Map<String, float[]> gradients(AttentionTransfer transfer, NDArray ids) {
        requireGradients(transfer);
        transfer.backward(TrainingBatch.of(ids, ids), StepContext.first());
        Map<String, float[]> gradients = new LinkedHashMap<>();
        for (ParameterGroup group : transfer.groups()) {
            group.parameters()
                    .forEach(
                            (name, parameter) -> {
                                try (NDArray gradient = parameter.getGradient()) {
                                    gradients.put(name, gradient.toFloatArray());
                                }
                            });
        }
        return gradients;
    }

    private static float largest(float[] values) {
        float largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    @ParameterizedTest(name = "{0}, training: {1}")
    @CsvSource({
        "outputs, true",
        "outputs, false",
        "both, true",
        "both, false",
        "linear branch, true",
        "matrices, true",
        "matrices, false"
    })
    @DisplayName("20: hidden states and logits of stages 0 and 1 are the base model's to the bit")
    void hiddenStatesAndLogitsAreTheBaseModels(String compares, boolean trains) throws IOException {
        try (DecoderModel base = Tiny.base(LAYERS);
                DecoderModel model = student("lolcats", "[]");
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, 2);
            DecoderLayer.Rope rope = base.rope(scope, 0, Tiny.LENGTH);
            NDArray expected = base.embed(ids);
            for (int i = 0; i < LAYERS; i++) {
                expected = base.layers().get(i).forward(expected, rope);

                NDArray hidden = hidden(compares, model, ids, i, trains);

                assertArrayEquals(expected.toFloatArray(), hidden.toFloatArray());
                if (i + 1 == LAYERS) {
                    assertArrayEquals(
                            base.logits(expected).toFloatArray(),
                            model.logits(hidden).toFloatArray());
                    assertFalse(
                            Arrays.equals(
                                    expected.toFloatArray(), model.forward(ids).toFloatArray()),
                            "the student itself goes elsewhere");
                }
            }
        }
    }

    /** What a stage that trains all layers up to one passes on. */
    private static NDArray hidden(
            String compares, DecoderModel model, NDArray ids, int last, boolean trains) {
        String layers = IntStream.rangeClosed(0, last).boxed().toList().toString();
        Optional<StepContext> training =
                trains ? Optional.of(StepContext.first()) : Optional.empty();
        Objective objective = Tiny.apart(compares, model, layers);
        requireGradients(objective);
        TrainingBatch batch = TrainingBatch.of(ids, ids);
        if (objective instanceof MatrixOrientation orientation) {
            try (orientation) {
                return orientation.pass(batch, training).hidden();
            }
        }
        try (AttentionTransfer transfer = (AttentionTransfer) objective) {
            return transfer.pass(batch, training).hidden();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"lolcats", "lizard"})
    @DisplayName("20: no gradient outside feature maps, factors and gates")
    void noGradientOutsideTheNewParameters(String preset) throws IOException {
        try (DecoderModel model = student(preset, "[]");
                AttentionTransfer transfer = new AttentionTransfer(model);
                NDManager scope = model.manager().newSubManager()) {
            List<NDArray> frozen = new ArrayList<>(model.ends());
            model.layers().forEach(layer -> frozen.addAll(layer.weights().values()));
            frozen.forEach(weight -> weight.setRequiresGradient(true));

            Map<String, float[]> gradients = gradients(transfer, Tiny.ids(scope, 2));

            for (NDArray weight : frozen) {
                try (NDArray gradient = weight.getGradient()) {
                    assertEquals(0, largest(gradient.toFloatArray()));
                }
            }
            gradients.forEach(
                    (name, values) -> {
                        assertTrue(largest(values) > 0, name);
                        assertTrue(
                                name.matches(
                                        "model\\.layers\\.[0-2]\\.self_attn\\."
                                                + "(feature_map_[qk]|gate|window_factor|sinks|alpha)"
                                                + "(\\.weight|\\.bias)?"),
                                name);
                    });
            assertTrue(gradients.size() >= 3 * LAYERS);
        }
    }

    @Test
    @DisplayName("20: a layer's gradient does not depend on the other layers' parameters")
    void aLayersGradientIsItsOwn() throws IOException {
        Map<String, float[]> before;
        Map<String, float[]> after;
        Map<String, float[]> alone;
        try (DecoderModel model = student("lolcats", "[]");
                AttentionTransfer transfer = new AttentionTransfer(model);
                NDManager scope = model.manager().newSubManager()) {
            before = gradients(transfer, Tiny.ids(scope, 2));
        }
        try (DecoderModel model = student("lolcats", "[]");
                AttentionTransfer transfer = new AttentionTransfer(model);
                NDManager scope = model.manager().newSubManager()) {
            model.layers().get(0).parameters().values().forEach(p -> TinyModels.add(p, 0.5, 1));
            after = gradients(transfer, Tiny.ids(scope, 2));
        }
        try (DecoderModel model = student("lolcats", "[]");
                AttentionTransfer transfer = new AttentionTransfer(model, 1, 2);
                NDManager scope = model.manager().newSubManager()) {
            alone = gradients(transfer, Tiny.ids(scope, 2));
        }

        assertEquals(3, alone.size());
        before.forEach(
                (name, values) -> {
                    boolean moved = name.startsWith("model.layers.0.");
                    assertEquals(!moved, Arrays.equals(values, after.get(name)), name);
                    if (name.startsWith("model.layers.1.")) {
                        assertArrayEquals(values, alone.get(name), name);
                    }
                });
    }

    @ParameterizedTest
    @ValueSource(strings = {"outputs", "weights", "both", "linear branch", "matrices"})
    @DisplayName("20: a layer trained alone takes the same updates as among the others")
    void aLayersUpdatesAreItsOwn(String compares) throws IOException {
        Map<String, float[]> joint = trained(compares, "[]");
        Map<String, float[]> alone = trained(compares, "[1]");
        Map<String, float[]> start;
        try (DecoderModel model = student("lolcats", "[]")) {
            start = Tiny.parameters(model);
        }

        joint.forEach(
                (name, values) -> {
                    boolean isTrained = name.startsWith("1.");
                    float[] expected = isTrained ? values : start.get(name);
                    assertArrayEquals(expected, alone.get(name), name);
                    if (name.contains("feature_map")) {
                        assertFalse(Arrays.equals(start.get(name), values), name + " has moved");
                    }
                });
    }

    /** Clipped, with layers that stop where they no longer learn: the rate is much too high. */
    private Map<String, float[]> trained(String compares, String layers) throws IOException {
        PackedDataset data = Tiny.data(dir);
        List<Set<String>> stopped = new ArrayList<>();
        try (DecoderModel model = student("lolcats", "[]")) {
            Objective objective = Tiny.apart(compares, model, layers);
            new TrainingLoop(
                            data,
                            Optional.of(data),
                            Tiny.transfer(
                                    "{tokens: 480, batch_size: 2, max_grad_norm: 0.1,"
                                            + " learning_rate: 3.0, scheduler: constant,"
                                            + " warmup_ratio: 0.0, validate_every: 1,"
                                            + " early_stop_patience: 1}"),
                            3,
                            new TrainingListener() {})
                    .run(
                            noting(stopped, objective),
                            model.manager(),
                            new StageCheckpoints(dir.resolve(compares + layers), Map.of()));
            ((AutoCloseable) objective).close();
            boolean ended = stopped.size() < 10;
            assertTrue(ended || !stopped.get(9).isEmpty(), "some layer has stopped");
            return Tiny.parameters(model);
        } catch (IOException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** An objective that keeps, for each batch, the names of what has stopped. */
    private static Objective noting(List<Set<String>> stopped, Objective inner) {
        return new Objective() {
            @Override
            public String stage() {
                return inner.stage();
            }

            @Override
            public List<ParameterGroup> groups() {
                return inner.groups();
            }

            @Override
            public BatchLosses backward(TrainingBatch batch, StepContext context) {
                stopped.add(context.stopped());
                return inner.backward(batch, context);
            }

            @Override
            public Losses loss(TrainingBatch batch) {
                return inner.loss(batch);
            }
        };
    }
}
