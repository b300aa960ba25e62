package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import dev.tegu.distill.data.CharTokenizer;
import dev.tegu.distill.data.DataFormat;
import dev.tegu.distill.data.Packed;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.Engines;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Several batches a step. */
class AccumulationTest {
    private static final TrainingListener SILENT = new TrainingListener() {};

    @TempDir Path dir;

    private static DecoderModel student() throws IOException {
        DecoderModel model = Tiny.student(2, Tiny.method("lolcats", "[]"));
        TinyModels.disturb(model);
        return model;
    }

    private void train(DecoderModel model, Objective objective, String settings, String name)
            throws IOException {
        new TrainingLoop(Tiny.data(dir), Optional.empty(), Tiny.transfer(settings), 3, SILENT)
                .run(objective, model.manager(), new StageCheckpoints(dir.resolve(name), Map.of()));
    }

    private Map<String, float[]> trained(String settings, String name) throws IOException {
        try (DecoderModel model = student();
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            train(model, transfer, settings, name);
            return Tiny.parameters(model);
        }
    }

    private static void assertNear(
            Map<String, float[]> expected, Map<String, float[]> found, float tolerance) {
        assertEquals(expected.keySet(), found.keySet());
        expected.forEach(
                (name, values) -> assertArrayEquals(values, found.get(name), tolerance, name));
    }

    /** Five sequences of four letters, each of one letter. */
    private ScriptedObjective fiveSequences(int batch, int accumulated, int steps)
            throws IOException {
        Path file = Files.writeString(dir.resolve("letters.txt"), "aaaabbbbccccddddeeee");
        PackedDataset data =
                Packed.load(List.of(file), DataFormat.TEXT, 4, new CharTokenizer(false, false));
        ScriptedObjective objective = ScriptedObjective.flat();
        int tokens = steps * batch * accumulated * 4;
        String settings =
                "{tokens: %d, batch_size: %d, gradient_accumulation_steps: %d}"
                        .formatted(tokens, batch, accumulated);
        new TrainingLoop(data, Optional.empty(), Tiny.transfer(settings), 3, SILENT)
                .run(
                        objective,
                        objective.manager,
                        new StageCheckpoints(dir.resolve("letters"), Map.of()));
        return objective;
    }

    @Test
    @DisplayName("22: two accumulated batches of two take the step of one batch of four")
    void accumulatedBatchesTakeTheStepOfOneLargeBatch() throws IOException {
        Map<String, float[]> large = trained("{tokens: 288, batch_size: 4}", "large");

        Map<String, float[]> accumulated =
                trained("{tokens: 288, batch_size: 2, gradient_accumulation_steps: 2}", "two");

        assertNear(large, accumulated, 2e-5f);
        Map<String, float[]> start;
        try (DecoderModel model = student()) {
            start = Tiny.parameters(model);
        }
        start.forEach(
                (name, values) ->
                        assertTrue(TinyModels.distance(values, large.get(name)) > 1e-3, name));
    }

    @Test
    @DisplayName("22: clipping and moments see the mean of the accumulated gradients, not the sum")
    void clippingAndMomentsSeeTheMeanGradient() {
        TrainingSettings settings =
                Tiny.transfer(
                        "{tokens: 1, learning_rate: 0.1, gradient_accumulation_steps: 2, max_grad_norm: 1.0}");
        try (NDManager manager = Engines.newManager(Device.cpu());
                TorchScript script = Scripts.training()) {
            NDArray p = manager.create(new float[] {0.24f, 0.32f});
            p.setRequiresGradient(true);
            try (AdamW adamw =
                    new AdamW(
                            script,
                            manager,
                            List.of(new ParameterGroup("p", Map.of("p", p))),
                            settings)) {
                for (int i = 0; i < 2; i++) {
                    try (GradientCollector collector =
                            Engine.getEngine("PyTorch").newGradientCollector()) {
                        collector.backward(p.mul(p).sum());
                    }
                }

                // Each batch's gradient is 2p, of norm 0.8; their sum would be clipped.
                NDArray norms = adamw.norms(manager, 1);
                assertEquals(0.8, norms.toFloatArray()[0], 1e-6);
                adamw.step(0, 0, 1, norms, manager.ones(new Shape(1)), 1);

                float[] moment = adamw.moments().get("m.p").toFloatArray();
                assertArrayEquals(new float[] {0.048f, 0.064f}, moment, 1e-6f);
            }
        }
    }

    @Test
    @DisplayName("22: no remainder at the end of an epoch: every step has all its batches")
    void everyStepHasAllItsBatches() throws IOException {
        ScriptedObjective objective = fiveSequences(2, 2, 5);

        assertEquals(5 * 2, objective.batches.size());
        Map<Long, Integer> reads = new HashMap<>();
        for (List<long[]> batch : objective.batches) {
            batch.forEach(row -> reads.merge(row[0], 1, Integer::sum));
        }
        assertEquals(
                Map.of((long) 'a', 4, (long) 'b', 4, (long) 'c', 4, (long) 'd', 4, (long) 'e', 4),
                reads,
                "20 sequences are four whole epochs");
        objective.close();
    }

    @Test
    @DisplayName("22: no uneven last batch: batches run on into the next epoch")
    void noBatchIsShort() throws IOException {
        ScriptedObjective objective = fiveSequences(3, 1, 4);

        objective.batches.forEach(batch -> assertEquals(3, batch.size()));
        assertEquals(
                5,
                objective.batches.stream()
                        .flatMap(List::stream)
                        .limit(5)
                        .map(row -> row[0])
                        .distinct()
                        .count(),
                "the first epoch reads each sequence once");
        objective.close();
    }

    @Test
    @DisplayName("22: a run killed in the middle of accumulation resumes to the same bits")
    void aRunKilledWhileAccumulatingResumesToTheSameBits() throws IOException {
        String settings =
                "{tokens: 432, batch_size: 1, gradient_accumulation_steps: 3, save_every: 2}";
        Map<String, float[]> inOneGo = trained(settings, "whole");

        try (DecoderModel model = student();
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            // Steps 1 to 3, and one of three batches of step 4: the checkpoint is of step 2.
            Objective killed = new KilledAfter(3 * 3 + 1, transfer);
            assertThrows(
                    IllegalStateException.class, () -> train(model, killed, settings, "killed"));
            assertEquals(2, new StageCheckpoints(dir.resolve("killed"), Map.of()).lastStep());
            // The same arrays, with what was accumulated still in their gradients.
            train(model, transfer, settings, "killed");

            assertNear(inOneGo, Tiny.parameters(model), 0f);
        }
    }

    /** Fails as a killed process would, after some batches. */
    private static final class KilledAfter implements Objective {
        private final Objective inner;
        private int left;

        KilledAfter(int batches, Objective inner) {
            this.left = batches;
            this.inner = inner;
        }

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
            if (left-- == 0) {
                throw new IllegalStateException("pulled the plug");
            }
            return inner.backward(batch, context);
        }

        @Override
        public Losses loss(TrainingBatch batch) {
            return inner.loss(batch);
        }
    }
}
