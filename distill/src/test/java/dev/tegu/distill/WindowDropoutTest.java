package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.LinearAttention;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Windows that are dropped on a schedule. */
class WindowDropoutTest {
    @TempDir Path dir;

    private static StepContext at(long step, long totalSteps) {
        return new StepContext(5, step, totalSteps, 0, 1, Set.of());
    }

    @ParameterizedTest
    @ValueSource(strings = {"lolcats", "lizard", "liger", "lolcats-terrace"})
    void withProbability1TheLayerIsTheOneWithoutItsWindow(String preset) throws IOException {
        try (DecoderModel model = Tiny.student(1, Tiny.method(preset, "[]"));
                LinearAttention ablated =
                        new LinearAttention(
                                model.config().linearAttention().orElseThrow(),
                                model.config().shape(),
                                64,
                                Set.of(LinearAttention.Branch.WINDOW));
                NDManager scope = model.manager().newSubManager()) {
            TinyModels.disturb(model);
            DecoderLayer layer = model.layers().get(0);
            DecoderLayer.Rope rope = model.rope(scope, 0, Tiny.LENGTH);
            DecoderLayer.Projected in = layer.project(model.embed(Tiny.ids(scope, 2)));
            float[] whole = layer.linear(in, rope).toFloatArray();

            new WindowDropout(List.of(1.0)).begin(model, at(0, 1));
            float[] dropped = layer.linear(in, rope).toFloatArray();
            WindowDropout.end(model);

            assertArrayEquals(without(ablated, in, rope, layer), dropped, 1e-6f);
            assertFalse(Arrays.equals(whole, dropped), "the window counts");
            assertArrayEquals(whole, layer.linear(in, rope).toFloatArray());
        }
    }

    private static float[] without(
            LinearAttention ablated,
            DecoderLayer.Projected in,
            DecoderLayer.Rope rope,
            DecoderLayer layer) {
        Map<String, NDArray> inputs = new HashMap<>(layer.parameters());
        inputs.put("cos", rope.cos());
        inputs.put("sin", rope.sin());
        if (ablated.spec().gate().readsInput()) {
            inputs.put("x", in.input());
        }
        return ablated.chunked(
                        in.q(), in.k(), in.v(), inputs, ablated.emptyState(in.q(), in.k(), in.v()))
                .output()
                .toFloatArray();
    }

    @Test
    void theProbabilitiesHoldOverEqualPartsOfTheStage() {
        WindowDropout dropout = new WindowDropout(List.of(0.9, 0.75, 0.5));
        List<Double> found = new ArrayList<>();
        for (int step = 0; step < 6; step++) {
            found.add(dropout.probability(at(step, 6)));
        }

        assertEquals(List.of(0.9, 0.9, 0.75, 0.75, 0.5, 0.5), found);
        assertEquals(0, new WindowDropout(List.of()).probability(at(0, 6)));
        assertEquals(0.9, dropout.probability(at(0, 1)), "a stage of one step");
    }

    @ParameterizedTest
    @ValueSource(strings = {"hedgehog", "window-only"})
    void methodsThatItCannotHelpAreRefused(String preset) throws IOException {
        InvalidValueException e =
                assertThrows(
                        InvalidValueException.class,
                        () ->
                                WindowDropout.check(
                                        "lora_finetune", List.of(0.5), Tiny.method(preset, "[]")));

        assertEquals("lora_finetune.window_dropout", e.key());
        WindowDropout.check("lora_finetune", List.of(), Tiny.method(preset, "[]"));
        try (DecoderModel model = Tiny.student(1, Tiny.method(preset, "[]"))) {
            assertThrows(IllegalStateException.class, model.layers().get(0)::dropWindow);
        }
    }

    @Test
    void layersDrawForThemselvesWithTheProbability() throws IOException {
        try (DecoderModel model = Tiny.student(3, Tiny.method("lolcats", "[1]"))) {
            WindowDropout dropout = new WindowDropout(List.of(0.25));
            List<DecoderLayer> linear = List.of(model.layers().get(0), model.layers().get(2));
            int[] dropped = new int[2];
            int both = 0;
            for (int step = 0; step < 400; step++) {
                dropout.begin(model, at(step, 400));
                boolean[] now = new boolean[2];
                for (int i = 0; i < 2; i++) {
                    now[i] = linear.get(i).dropsWindow();
                    dropped[i] += now[i] ? 1 : 0;
                }
                both += now[0] && now[1] ? 1 : 0;
                WindowDropout.end(model);
            }

            assertEquals(100, dropped[0], 30);
            assertEquals(100, dropped[1], 30);
            assertEquals(25, both, 15, "independent draws");
        }
    }

    @Test
    void stage1TrainsWithoutTheWindowAndMeasuresWithIt() throws IOException {
        try (DecoderModel model = Tiny.student(1, Tiny.method("lizard", "[]"));
                AttentionTransfer always = transfer(model, "[1.0]");
                AttentionTransfer never = transfer(model, "[]");
                NDManager scope = model.manager().newSubManager()) {
            TinyModels.disturb(model);
            Map<String, NDArray> parameters = always.groups().get(0).parameters();
            parameters.values().forEach(p -> p.setRequiresGradient(true));
            NDArray ids = Tiny.ids(scope, 1);
            TrainingBatch batch = TrainingBatch.of(ids, ids);

            double dropped = always.backward(batch, at(0, 1)).read().total();

            try (NDArray sinks = gradient(parameters, "sinks");
                    NDArray map = gradient(parameters, "feature_map_q.weight")) {
                assertEquals(0, sinks.abs().sum().getFloat());
                assertTrue(map.abs().sum().getFloat() > 0);
            }
            double kept = never.backward(batch, at(0, 1)).read().total();
            assertEquals(kept, always.loss(batch).total());
            assertNotEquals(dropped, kept);
            assertFalse(model.layers().get(0).dropsWindow(), "it is given back");
        }
    }

    private static NDArray gradient(Map<String, NDArray> parameters, String name) {
        return parameters.get("model.layers.0.self_attn." + name).getGradient();
    }

    private static AttentionTransfer transfer(DecoderModel model, String probabilities) {
        return new AttentionTransfer(
                model, Tiny.stage1("{tokens: 1, window_dropout: " + probabilities + "}"));
    }

    @Test
    void aResumedRunDropsTheSameWindows() throws IOException {
        List<Double> whole = losses("whole", 10);
        List<Double> parts = losses("parts", 4);
        parts.addAll(losses("parts", 10));

        assertEquals(whole, parts);
        assertEquals(10, whole.size());
    }

    /** Losses of a run that is asked to stop after some steps of ten. */
    private List<Double> losses(String name, int steps) throws IOException {
        List<Double> losses = new ArrayList<>();
        TrainingListener listener =
                new TrainingListener() {
                    @Override
                    public void stepFinished(Step step) {
                        losses.add(step.losses().total());
                    }
                };
        AttentionTransferSettings settings =
                Tiny.stage1(
                        "{tokens: 480, batch_size: 2, log_every: 1, window_dropout: [0.9, 0.5],"
                                + " xent_factor: 1.0, xent_queries: 4}");
        try (DecoderModel model = Tiny.student(2, Tiny.method("lolcats", "[]"));
                AttentionTransfer transfer = new AttentionTransfer(model, settings)) {
            TrainingLoop loop =
                    new TrainingLoop(
                            Tiny.data(dir),
                            Optional.empty(),
                            settings.training(),
                            3,
                            listener,
                            () -> losses.size() == steps);
            try {
                loop.run(
                        transfer,
                        model.manager(),
                        new StageCheckpoints(dir.resolve(name), Map.of()));
            } catch (StoppedException e) {
                assertEquals(4, steps);
            }
        }
        return losses;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void stage2DropsWindowsWhileItTrainsAndMeasuresWithThem(boolean checkpointing)
            throws IOException {
        String more = ", gradient_checkpointing: " + checkpointing + "}";
        try (DecoderModel model = Tiny.student(2, Tiny.method("lolcats", "[]"));
                DecoderModel other = Tiny.student(2, Tiny.method("lolcats", "[]"))) {
            NextToken plain = Stage2.objective(other, "{tokens: 1" + more);
            other.layers().forEach(DecoderLayer::dropWindow);
            Map<String, float[]> expected = Stage2.gradients(plain, at(0, 2));
            NextToken dropping =
                    Stage2.objective(model, "{tokens: 1, window_dropout: [1.0, 0.0]" + more);
            Map<String, float[]> dropped = Stage2.gradients(dropping, at(0, 2));
            Map<String, float[]> later = Stage2.gradients(dropping, at(1, 2));
            double measured = Stage2.loss(dropping).total();
            model.layers().forEach(DecoderLayer::dropWindow);
            double without = Stage2.loss(dropping).total();
            WindowDropout.end(model);

            assertNotEquals(without, measured);
            for (String name : dropped.keySet()) {
                assertArrayEquals(expected.get(name), dropped.get(name), name);
                assertFalse(Arrays.equals(dropped.get(name), later.get(name)), name);
            }
        }
    }

    @Test
    void stage2RefusesAMethodWithoutAWindow() throws IOException {
        try (DecoderModel model = Tiny.student(1, Tiny.method("hedgehog", "[]"))) {
            InvalidValueException e =
                    assertThrows(
                            InvalidValueException.class,
                            () ->
                                    NextToken.checkFinetune(
                                            Stage2.settings("{tokens: 1, window_dropout: [0.5]}"),
                                            model.config()));
            assertEquals("lora_finetune.window_dropout", e.key());
        }
    }
}
