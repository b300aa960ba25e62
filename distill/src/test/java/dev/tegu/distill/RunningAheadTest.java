package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.Engines;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Steps that nobody waits for, as a GPU takes them. */
class RunningAheadTest {
    @TempDir Path dir;

    private final List<String> told = new ArrayList<>();
    private final TrainingListener listener =
            new TrainingListener() {
                @Override
                public void stepFinished(Step step) {
                    told.add(step.step() + " " + step.losses() + " " + (float) step.gradientNorm());
                }
            };

    private TrainingLoop loop(String settings, BooleanSupplier stop) throws IOException {
        return new TrainingLoop(
                Tiny.data(dir),
                Optional.of(Tiny.data(dir)),
                Tiny.transfer(settings),
                3,
                listener,
                stop);
    }

    private StageCheckpoints checkpoints(String name) {
        return new StageCheckpoints(dir.resolve(name), Map.of());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "log_every: 4",
                "log_every: 3, gradient_accumulation_steps: 2, max_grad_norm: 0.1",
                "log_every: 5, validate_every: 2, save_every: 4, keep_best: true, weight_decay: 0.1"
            })
    void stepsAreThoseThatAreWaitedFor(String settings) throws IOException {
        String all = "{tokens: 480, batch_size: 1, learning_rate: 0.01, " + settings + "}";
        Map<Boolean, Map<String, float[]>> parameters = new LinkedHashMap<>();
        Map<Boolean, List<String>> steps = new LinkedHashMap<>();
        for (boolean ahead : new boolean[] {false, true}) {
            told.clear();
            try (DecoderModel model = Tiny.student(2, Tiny.method("lizard", "[]"));
                    AttentionTransfer transfer = new AttentionTransfer(model)) {
                TrainingLoop loop = loop(all, () -> false);
                (ahead ? loop.runningAhead() : loop)
                        .run(transfer, model.manager(), checkpoints("run" + ahead));
                parameters.put(ahead, Tiny.parameters(model));
            }
            steps.put(ahead, List.copyOf(told));
        }

        assertEquals(steps.get(false), steps.get(true));
        assertTrue(steps.get(true).size() > 2);
        parameters
                .get(false)
                .forEach(
                        (name, values) ->
                                assertArrayEquals(values, parameters.get(true).get(name), name));
    }

    private static void poison(NDArray weight) {
        try (TorchScript script = Scripts.training();
                NDManager scope = weight.getManager().newSubManager()) {
            NDArray nan = scope.create(Float.NaN).broadcast(weight.getShape());
            script.call("copy", new TorchScript.Arguments().add(nan).add(weight));
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "log_every: 8",
                "log_every: 1000, save_every: 6",
                "log_every: 1000, validate_every: 5"
            })
    void aBadLossChangesNothingAndIsFoundWhenSomebodyAsks(String settings) throws IOException {
        Map<String, float[]> before = new LinkedHashMap<>();
        try (DecoderModel model = Tiny.student(2, Tiny.method("lolcats", "[]"));
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            TinyModels.disturb(model);
            int[] asked = {0};
            // asked before the first step and after each
            BooleanSupplier spoil =
                    () -> {
                        if (asked[0]++ == 3) {
                            before.putAll(Tiny.parameters(model));
                            poison(model.layers().get(1).weights().get("k_proj.weight"));
                        }
                        return false;
                    };
            String all = "{tokens: 480, batch_size: 2, " + settings + "}";
            TrainingLoop loop = loop(all, spoil).runningAhead();

            NonFiniteException e =
                    assertThrows(
                            NonFiniteException.class,
                            () -> loop.run(transfer, model.manager(), checkpoints("a")));

            String where = "attention_transfer, step 4, layers.1: the loss is NaN";
            assertTrue(e.getMessage().startsWith(where), e.getMessage());
            assertTrue(asked[0] > 4, "later steps were begun");
            assertEquals(3, checkpoints("a").lastStep());
            Tiny.parameters(model)
                    .forEach((name, v) -> assertArrayEquals(before.get(name), v, name));
        }
        Path state = dir.resolve("a/step-3/state.safetensors");
        try (SafetensorsFile file = SafetensorsFile.open(state)) {
            for (Map.Entry<String, float[]> entry : before.entrySet()) {
                String name = entry.getKey().replaceFirst("\\.", ".self_attn.");
                float[] kept = new float[entry.getValue().length];
                file.map("model.layers." + name).asFloatBuffer().get(kept);
                assertArrayEquals(entry.getValue(), kept, name);
            }
        }
    }

    /** One number with the gradient 2 p, or no number at all. */
    private static final class OneNumber implements Objective, AutoCloseable {
        final NDManager manager = Engines.newManager(Device.cpu());
        final NDArray parameter = manager.create(new float[] {1});
        boolean isSpoiled;

        @Override
        public String stage() {
            return "number";
        }

        @Override
        public List<ParameterGroup> groups() {
            return List.of(new ParameterGroup("number", Map.of("p", parameter)));
        }

        @Override
        public BatchLosses backward(TrainingBatch batch, StepContext context) {
            float factor = isSpoiled ? Float.POSITIVE_INFINITY : 1;
            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                collector.backward(parameter.mul(parameter).mul(manager.create(factor)).sum());
            }
            return BatchLosses.of(Losses.of(1));
        }

        @Override
        public Losses loss(TrainingBatch batch) {
            return Losses.of(1);
        }

        @Override
        public void close() {
            manager.close();
        }
    }

    @Test
    void aBadGradientKeepsAStateThatGoesOnToTheSameBits() throws IOException {
        String settings = "{tokens: 480, batch_size: 2, log_every: 9, save_every: 0}";
        float[] whole;
        try (OneNumber number = new OneNumber()) {
            loop(settings, () -> false).run(number, number.manager, checkpoints("whole"));
            whole = number.parameter.toFloatArray();
        }
        try (OneNumber number = new OneNumber()) {
            int[] asked = {0};
            BooleanSupplier spoil =
                    () -> {
                        number.isSpoiled = asked[0]++ >= 4;
                        return false;
                    };
            TrainingLoop loop = loop(settings, spoil).runningAhead();

            NonFiniteException e =
                    assertThrows(
                            NonFiniteException.class,
                            () -> loop.run(number, number.manager, checkpoints("parts")));

            String where = "number, step 5, p: the gradient norm is Infinity";
            assertTrue(e.getMessage().startsWith(where), e.getMessage());
            assertTrue(e.getMessage().contains("is kept as step-4"), e.getMessage());
        }
        try (OneNumber number = new OneNumber()) {
            loop(settings, () -> false)
                    .runningAhead()
                    .run(number, number.manager, checkpoints("parts"));

            assertArrayEquals(whole, number.parameter.toFloatArray());
        }
    }
}
