package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
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
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
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

    private static void requireGradients(AttentionTransfer transfer) {
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

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    @DisplayName("20: stage 1's hidden states and logits are the base model's to the bit")
    void hiddenStatesAndLogitsAreTheBaseModels(boolean trains) throws IOException {
        try (DecoderModel base = Tiny.base(LAYERS);
                DecoderModel model = student("lolcats", "[]");
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = Tiny.ids(scope, 2);
            DecoderLayer.Rope rope = base.rope(scope, 0, Tiny.LENGTH);
            NDArray expected = base.embed(ids);
            for (int i = 0; i < LAYERS; i++) {
                expected = base.layers().get(i).forward(expected, rope);
                try (AttentionTransfer transfer = new AttentionTransfer(model, 0, i + 1)) {
                    requireGradients(transfer);

                    NDArray hidden =
                            transfer.pass(
                                            TrainingBatch.of(ids, ids),
                                            trains
                                                    ? Optional.of(StepContext.first())
                                                    : Optional.empty())
                                    .hidden();

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

    @Test
    @DisplayName("20: a layer trained alone takes the same updates as among the others")
    void aLayersUpdatesAreItsOwn() throws IOException {
        Map<String, float[]> joint = trained(0, LAYERS);
        Map<String, float[]> alone = trained(1, 2);
        Map<String, float[]> start;
        try (DecoderModel model = student("lolcats", "[]")) {
            start = Tiny.parameters(model);
        }

        joint.forEach(
                (name, values) -> {
                    boolean isTrained = name.startsWith("1.");
                    float[] expected = isTrained ? values : start.get(name);
                    assertArrayEquals(expected, alone.get(name), name);
                    assertFalse(Arrays.equals(start.get(name), values), name + " has moved");
                });
    }

    private Map<String, float[]> trained(int from, int to) throws IOException {
        try (DecoderModel model = student("lolcats", "[]");
                AttentionTransfer transfer = new AttentionTransfer(model, from, to)) {
            new TrainingLoop(
                            Tiny.data(dir),
                            Optional.empty(),
                            Tiny.transfer("{tokens: 240, batch_size: 2, max_grad_norm: 0.1}"),
                            3,
                            new TrainingListener() {})
                    .run(
                            transfer,
                            model.manager(),
                            new StageCheckpoints(dir.resolve(from + "-" + to), Map.of()));
            return Tiny.parameters(model);
        }
    }
}
