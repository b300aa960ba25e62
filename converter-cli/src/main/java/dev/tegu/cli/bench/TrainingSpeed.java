package dev.tegu.cli.bench;

import ai.djl.Device;
import dev.tegu.checkpoint.Durable;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.distill.AttentionTransfer;
import dev.tegu.distill.AttentionTransferSettings;
import dev.tegu.distill.LoraFinetuneSettings;
import dev.tegu.distill.NextToken;
import dev.tegu.distill.Objective;
import dev.tegu.distill.StageCheckpoints;
import dev.tegu.distill.TrainingLoop;
import dev.tegu.distill.TrainingSettings;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.data.RandomTokens;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.Engines;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.model.DecoderModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Trains a stage on random tokens and throws away what was trained. Steps are timed in blocks, of
 * which the first warms up; only at the end of a block a number is read, so that a card may work
 * while the next step is prepared.
 */
final class TrainingSpeed {
    /** Most steps of a block. */
    private static final int BLOCK = 10;

    /** Blocks that a short measurement is cut into at least, if it has the steps. */
    private static final int BLOCKS = 2;

    private TrainingSpeed() {}

    static TrainingPoint measure(SpeedJob job) throws IOException {
        Device device = Engines.device(job.device());
        MemoryMeter meter = MemoryMeter.of(device);
        int block = Math.max(1, Math.min(BLOCK, job.steps() / BLOCKS));
        int blocks = 1 + (job.steps() + block - 1) / block;
        int steps = blocks * block;
        Path scratch = Files.createTempDirectory("tegu-bench");
        try (DecoderModel model = job.model()) {
            PackedDataset data =
                    RandomTokens.of(
                            model.vocabSize(),
                            Math.max(64, 4 * job.batchSize()),
                            job.sequenceLength(),
                            0,
                            scratch);
            meter.reset();
            if (job.work() == SpeedJob.Work.ATTENTION_TRANSFER) {
                AttentionTransferSettings settings =
                        bind(job, steps, block, "", AttentionTransferSettings.class);
                try (AttentionTransfer stage = new AttentionTransfer(model, settings)) {
                    return train(job, stage, settings.training(), model, data, meter, scratch);
                }
            }
            String more = ", r: 8, gradient_checkpointing: " + job.gradientCheckpointing();
            LoraFinetuneSettings settings =
                    bind(job, steps, block, more, LoraFinetuneSettings.class);
            LoraAdapters adapters = LoraAdapters.create(model, settings.adapters(), 0);
            NextToken stage = NextToken.finetune(settings, model, Optional.of(adapters));
            return train(job, stage, settings.training(), model, data, meter, scratch);
        } finally {
            Durable.deleteTree(scratch);
        }
    }

    /** The block of a stage that takes just the steps that are asked for. */
    private static <T extends Record> T bind(
            SpeedJob job, int steps, int block, String more, Class<T> type) {
        long tokens = (long) steps * job.batchSize() * job.sequenceLength();
        String yaml =
                ("{tokens: " + tokens + ", batch_size: " + job.batchSize())
                        + (", log_every: " + block + ", save_every: 0, scheduler: constant")
                        + (more + "}");
        return ConfigBinder.bind(ConfigNode.parse(yaml, "bench"), type);
    }

    private static TrainingPoint train(
            SpeedJob job,
            Objective stage,
            TrainingSettings settings,
            DecoderModel model,
            PackedDataset data,
            MemoryMeter meter,
            Path scratch)
            throws IOException {
        Clock clock = new Clock(settings.logEvery(), meter);
        TrainingLoop loop = new TrainingLoop(data, Optional.empty(), settings, 0, clock);
        loop.secondsPerStep(stage, model.manager());
        long trained =
                stage.groups().stream()
                        .flatMap(group -> group.parameters().values().stream())
                        .mapToLong(parameter -> parameter.getShape().size())
                        .sum();
        long planned = meter.peakBytes() + 2 * Float.BYTES * trained;
        loop.run(stage, model.manager(), new StageCheckpoints(scratch.resolve("run"), Map.of()));
        boolean counted = meter.isCounted();
        return new TrainingPoint(
                job.name(),
                stage.stage(),
                clock.tokensPerStep,
                Statistics.median(clock.rates.stream().mapToDouble(r -> r).toArray()),
                Collections.min(clock.rates),
                Collections.max(clock.rates),
                (long) clock.rates.size() * settings.logEvery(),
                counted ? planned : null,
                counted ? clock.warmBytes : null,
                counted ? clock.endBytes : null,
                counted ? meter.peakBytes() : null);
    }

    /** Takes the time of blocks, and the memory at their ends. */
    private static final class Clock implements TrainingListener {
        private final int block;
        private final MemoryMeter meter;
        private final List<Double> rates = new ArrayList<>();
        private long tokensPerStep;
        private long before;
        private long warmBytes;
        private long endBytes;

        Clock(int block, MemoryMeter meter) {
            this.block = block;
            this.meter = meter;
        }

        @Override
        public void stageStarted(Stage stage) {
            tokensPerStep = stage.tokensPerStep();
        }

        @Override
        public void stepFinished(Step step) {
            if (step.step() % block != 0) {
                return; // the first step is always told
            }
            // The loss is of the block's last step: to have it is to have waited for all of them.
            if (!Double.isFinite(step.losses().total())) {
                throw new IllegalStateException("bench: the loss is " + step.losses().total());
            }
            long now = System.nanoTime();
            try {
                endBytes = meter.heldBytes();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            if (step.step() == block) {
                warmBytes = endBytes;
            } else {
                rates.add(block * tokensPerStep / ((now - before) * 1e-9));
            }
            before = System.nanoTime();
        }
    }
}
