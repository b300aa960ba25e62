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
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rates of their own, the end of layers that learn no more, failing steps, stopping. */
final class StageControlTest {
    private static final String LAYERS_STOP =
            "{tokens: 480, batch_size: 2, validate_every: 1, early_stop_patience: 2, log_every: 1,"
                    + " keep_best: KEEP, save_every: 3}";

    @TempDir Path dir;

    private final List<Long> steps = new ArrayList<>();
    private final TrainingListener listener =
            new TrainingListener() {
                @Override
                public void stepFinished(Step step) {
                    steps.add(step.step());
                }
            };

    private void train(Objective objective, NDManager manager, String settings, String name)
            throws IOException {
        train(objective, manager, settings, name, () -> false);
    }

    private void train(
            Objective objective,
            NDManager manager,
            String settings,
            String name,
            BooleanSupplier stop)
            throws IOException {
        new TrainingLoop(
                        Tiny.data(dir),
                        Optional.of(Tiny.data(dir)),
                        Tiny.transfer(settings),
                        3,
                        listener,
                        stop)
                .run(objective, manager, checkpoints(name));
    }

    private StageCheckpoints checkpoints(String name) {
        return new StageCheckpoints(dir.resolve(name), Map.of());
    }

    private static DecoderModel student(String preset) throws IOException {
        DecoderModel model = Tiny.student(2, Tiny.method(preset, "[]"));
        TinyModels.disturb(model);
        return model;
    }

    private Map<String, float[]> trained(String settings, String name) throws IOException {
        try (DecoderModel model = student("lizard");
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            train(transfer, model.manager(), settings, name);
            return Tiny.parameters(model);
        }
    }

    @Test
    void eachKindOfParameterHasTheRateItIsGiven() throws IOException {
        Map<String, float[]> start;
        try (DecoderModel model = student("lizard")) {
            start = Tiny.parameters(model);
        }
        String settings = "{tokens: 24, batch_size: 1, warmup_ratio: 0.0, learning_rate: 1.0e-3";

        Map<String, float[]> same = trained(settings + "}", "same");
        Map<String, float[]> own =
                trained(settings + ", learning_rates: {gate: 1.0e-2, sinks: 1.0e-9}}", "own");

        assertTrue(start.size() > 8, start.keySet().toString());
        start.forEach(
                (name, from) -> {
                    // Adam's first step is the rate itself, whatever the gradient.
                    double moved = TinyModels.distance(from, same.get(name));
                    double expected =
                            name.contains("gate")
                                    ? 10 * moved
                                    : name.contains("sinks") ? 1e-6 * moved : moved;
                    double found = TinyModels.distance(from, own.get(name));
                    assertEquals(expected, found, 0.02 * moved, name);
                });
    }

    @Test
    void parametersAreKnownByTheirNames() {
        Map<String, ParameterKind> kinds = new LinkedHashMap<>();
        kinds.put("model.layers.0.self_attn.feature_map_q.weight", ParameterKind.FEATURE_MAP);
        kinds.put("model.layers.0.self_attn.gate.up.weight", ParameterKind.GATE);
        kinds.put("model.layers.0.self_attn.window_factor", ParameterKind.WINDOW_FACTOR);
        kinds.put("model.layers.0.self_attn.sinks", ParameterKind.SINKS);
        kinds.put("model.layers.0.self_attn.alpha", ParameterKind.ALPHA);
        kinds.put("model.layers.0.self_attn.output_norm.weight", ParameterKind.OUTPUT_NORM);
        kinds.put(
                "base_model.model.model.layers.0.mlp.gate_proj.lora_A.weight", ParameterKind.LORA);
        kinds.put("model.layers.0.mlp.gate_proj.weight", ParameterKind.WEIGHT);

        kinds.forEach((name, kind) -> assertEquals(kind, ParameterKind.of(name), name));
    }

    /** Two numbers that are trained apart, with validation losses from lists. */
    private static final class TwoLayers implements Objective, AutoCloseable {
        final NDManager manager = Engines.newManager(Device.cpu());
        final List<NDArray> numbers =
                List.of(manager.create(new float[] {1}), manager.create(new float[] {1}));
        final double[][] losses;
        final List<List<Float>> measured = List.of(new ArrayList<>(), new ArrayList<>());
        boolean half;
        float largest = Float.MAX_VALUE;
        final List<Float> scales = new ArrayList<>();

        TwoLayers(double[]... losses) {
            this.losses = losses;
        }

        @Override
        public String stage() {
            return "two";
        }

        @Override
        public List<ParameterGroup> groups() {
            return List.of(
                    new ParameterGroup("layers.0", Map.of("a", numbers.get(0))),
                    new ParameterGroup("layers.1", Map.of("b", numbers.get(1))));
        }

        @Override
        public boolean needsLossScaling() {
            return half;
        }

        @Override
        public BatchLosses backward(TrainingBatch batch, StepContext context) {
            scales.add(context.lossScale());
            // Gradients of 2 p scale; above `largest` they overflow, as float16's do.
            float scale = context.lossScale() <= largest ? context.lossScale() : Float.NaN;
            for (int i = 0; i < 2; i++) {
                if (!context.stopped().contains("layers." + i)) {
                    try (GradientCollector collector =
                            Engine.getEngine("PyTorch").newGradientCollector()) {
                        NDArray p = numbers.get(i);
                        collector.backward(p.mul(p).mul(manager.create(scale)).sum());
                    }
                }
            }
            return BatchLosses.of(Losses.of(1));
        }

        @Override
        public Losses loss(TrainingBatch batch) {
            List<Losses.Part> parts = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                List<Float> seen = measured.get(i);
                // the loop measures 16 sequences a time
                int number = seen.size() / 16;
                seen.add(value(i));
                double loss = losses[i][Math.min(number, losses[i].length - 1)];
                parts.add(new Losses.Part("layers." + i, loss, loss));
            }
            return new Losses(1, parts);
        }

        float value(int i) {
            return numbers.get(i).toFloatArray()[0];
        }

        float valueAt(int i, int measurement) {
            return measured.get(i).get(16 * measurement);
        }

        @Override
        public void close() {
            manager.close();
        }
    }

    private static final double[] STALLS = {5, 4, 4, 4};
    private static final double[] FALLS = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0.5, 0.25};

    @Test
    void aLayerThatStallsIsTrainedNoMoreWhileAnotherGoesOn() throws IOException {
        try (TwoLayers two = new TwoLayers(STALLS, FALLS)) {
            train(two, two.manager, LAYERS_STOP.replace("KEEP", "false"), "a");

            assertEquals(two.valueAt(0, 3), two.value(0), "stopped at the third measurement");
            assertTrue(two.value(1) < two.valueAt(1, 3), "goes on");
            assertEquals(10, steps.size());
        }
    }

    @Test
    void eachLayerKeepsItsOwnBest() throws IOException {
        double[] falls = FALLS.clone();
        falls[10] = 9;
        try (TwoLayers two = new TwoLayers(STALLS, falls)) {
            train(two, two.manager, LAYERS_STOP.replace("KEEP", "true"), "a");

            assertEquals(two.valueAt(0, 1), two.value(0));
            assertEquals(two.valueAt(1, 9), two.value(1));
        }
    }

    @Test
    void theStageEndsWhenNoLayerLearnsAnyMore() throws IOException {
        try (TwoLayers two = new TwoLayers(STALLS, new double[] {3, 2, 1, 1})) {
            train(two, two.manager, LAYERS_STOP.replace("KEEP", "false"), "a");

            assertEquals(List.of(1L, 2L, 3L, 4L), steps);
            assertEquals(4, checkpoints("a").lastStep());
            steps.clear();
            train(two, two.manager, LAYERS_STOP.replace("KEEP", "false"), "a");
            assertEquals(List.of(), steps, "a stage at rest is not taken up again");
        }
    }

    @Test
    void aResumedRunStopsItsLayersWhereOneInOneGoDoes() throws IOException {
        float[] whole;
        try (TwoLayers two = new TwoLayers(STALLS, FALLS)) {
            train(two, two.manager, LAYERS_STOP.replace("KEEP", "true"), "whole");
            whole = new float[] {two.value(0), two.value(1)};
        }
        steps.clear();
        for (int part = 0; part < 2; part++) {
            int done = part == 0 ? 0 : 5;
            // what the validation data say depends on the step alone
            try (TwoLayers two = new TwoLayers(from(STALLS, done), from(FALLS, done))) {
                BooleanSupplier after5 = () -> steps.size() == 5;
                if (part == 0) {
                    assertThrows(
                            StoppedException.class,
                            () ->
                                    train(
                                            two,
                                            two.manager,
                                            LAYERS_STOP.replace("KEEP", "true"),
                                            "parts",
                                            after5));
                    assertEquals(5, checkpoints("parts").lastStep());
                } else {
                    train(two, two.manager, LAYERS_STOP.replace("KEEP", "true"), "parts");

                    assertArrayEquals(whole, new float[] {two.value(0), two.value(1)});
                }
            }
        }
    }

    /** Losses from the measurement on that follows the given step; a resumed run takes no first. */
    private static double[] from(double[] losses, int step) {
        int first = step == 0 ? 0 : Math.min(step + 1, losses.length - 1);
        return Arrays.copyOfRange(losses, first, losses.length);
    }

    @Test
    void gradientsThatOverflowHalveTheScaleAndChangeNothing() throws IOException {
        try (TwoLayers two = new TwoLayers(STALLS, FALLS)) {
            two.half = true;
            two.largest = 16_384;
            train(two, two.manager, "{tokens: 240, batch_size: 2, log_every: 1}", "half");

            assertEquals(
                    List.of(65_536f, 32_768f, 16_384f, 16_384f, 16_384f), two.scales.subList(0, 5));
            float scaled = two.value(0);
            try (TwoLayers plain = new TwoLayers(STALLS, FALLS)) {
                train(plain, plain.manager, "{tokens: 240, batch_size: 2}", "plain");
                assertTrue(scaled > plain.value(0), "two steps fewer");
                assertTrue(scaled < 1, "but it moves");
            }
        }
    }

    @Test
    void anOverflowThatNoScaleHelpsAgainstIsAFailure() throws IOException {
        try (TwoLayers two = new TwoLayers(STALLS, FALLS)) {
            two.half = true;
            two.largest = 0.5f;

            NonFiniteException e =
                    assertThrows(
                            NonFiniteException.class,
                            () -> train(two, two.manager, "{tokens: 4800, batch_size: 2}", "half"));

            assertEquals(17, two.scales.size(), "65,536 halved 16 times");
            assertTrue(e.getMessage().startsWith("two, step 17, a: the gradient norm is NaN"));
        }
    }

    @Test
    void aLossThatIsNoNumberNamesStepAndLayerAndKeepsTheStateBefore() throws IOException {
        Map<String, float[]> before = new LinkedHashMap<>();
        try (DecoderModel model = student("lolcats");
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            TrainingListener poison =
                    new TrainingListener() {
                        @Override
                        public void stepFinished(Step step) {
                            if (step.step() == 3) {
                                before.putAll(Tiny.parameters(model));
                                poison(model.layers().get(1).weights().get("k_proj.weight"));
                            }
                        }
                    };
            TrainingLoop loop =
                    new TrainingLoop(
                            Tiny.data(dir),
                            Optional.empty(),
                            Tiny.transfer("{tokens: 480, batch_size: 2, log_every: 1}"),
                            3,
                            poison);

            NonFiniteException e =
                    assertThrows(
                            NonFiniteException.class,
                            () -> loop.run(transfer, model.manager(), checkpoints("a")));

            String where = "attention_transfer, step 4, layers.1: the loss is NaN";
            assertTrue(e.getMessage().startsWith(where), e.getMessage());
            assertEquals(3, checkpoints("a").lastStep());
        }
        Path state = dir.resolve("a/step-3/state.safetensors");
        try (SafetensorsFile file = SafetensorsFile.open(state)) {
            assertEquals(2 * 3, before.size());
            for (Map.Entry<String, float[]> entry : before.entrySet()) {
                String name = entry.getKey().replaceFirst("\\.", ".self_attn.");
                float[] kept = new float[entry.getValue().length];
                file.map("model.layers." + name).asFloatBuffer().get(kept);
                assertArrayEquals(entry.getValue(), kept, name);
            }
        }
    }

    @Test
    void aGradientThatIsNoNumberKeepsAStateThatGoesOnToTheSameBits() throws IOException {
        String settings = "{tokens: 480, batch_size: 2, log_every: 1, save_every: 0}";
        float[] whole;
        try (TwoLayers two = new TwoLayers(FALLS, FALLS)) {
            train(two, two.manager, settings, "whole");
            whole = new float[] {two.value(0), two.value(1)};
        }
        steps.clear();
        try (TwoLayers two = new TwoLayers(FALLS, FALLS)) {
            BooleanSupplier spoil =
                    () -> {
                        two.largest = steps.size() < 4 ? Float.MAX_VALUE : 0;
                        return false;
                    };

            NonFiniteException e =
                    assertThrows(
                            NonFiniteException.class,
                            () -> train(two, two.manager, settings, "parts", spoil));

            assertTrue(
                    e.getMessage().startsWith("two, step 5, a: the gradient norm is NaN"),
                    e.getMessage());
            assertTrue(e.getMessage().contains("is kept as step-4"), e.getMessage());
            assertEquals(4, steps.size(), "it ends within the step");
        }
        try (TwoLayers two = new TwoLayers(FALLS, FALLS)) {
            train(two, two.manager, settings, "parts");

            assertArrayEquals(whole, new float[] {two.value(0), two.value(1)});
        }
    }

    private static void poison(NDArray weight) {
        try (TorchScript script = Scripts.training();
                NDManager scope = weight.getManager().newSubManager()) {
            NDArray nan = scope.create(Float.NaN).broadcast(weight.getShape());
            script.call("copy", new TorchScript.Arguments().add(nan).add(weight));
        }
    }

    @Test
    void aRunThatIsStoppedGoesOnToTheSameBits() throws IOException {
        String settings = "{tokens: 480, batch_size: 2, log_every: 1, save_every: 0}";
        Map<String, float[]> whole = trained(settings, "whole");
        steps.clear();
        try (DecoderModel model = student("lizard");
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            StoppedException e =
                    assertThrows(
                            StoppedException.class,
                            () ->
                                    train(
                                            transfer,
                                            model.manager(),
                                            settings,
                                            "parts",
                                            () -> steps.size() == 4));
            assertTrue(e.getMessage().contains("--resume"), e.getMessage());
        }
        Map<String, float[]> parts = trained(settings, "parts");

        whole.forEach((name, values) -> assertArrayEquals(values, parts.get(name), name));
    }
}
