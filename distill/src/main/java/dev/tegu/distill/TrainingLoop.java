package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.distill.data.BatchOrder;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.distill.schedule.LearningRateSchedule;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The one loop of all stages: batch, loss and gradients, AdamW, checkpoint.
 *
 * <p>A step reads as many batches as the settings accumulate and goes along the mean of their
 * gradients. Batches run on over the end of an epoch, so no step is short of batches and no batch
 * of sequences. A checkpoint stands between two steps: what a killed run had accumulated for the
 * next one is computed again.
 *
 * <p>A step depends on the settings, the data, the seed and its number alone, so a run that goes on
 * from a checkpoint takes the same steps to the same bits.
 */
public final class TrainingLoop {
    /** Sequences of the validation data that are measured, from its start. */
    private static final int VALIDATION_SEQUENCES = 16;

    private final PackedDataset train;
    private final Optional<PackedDataset> validation;
    private final TrainingSettings settings;
    private final long seed;
    private final TrainingListener listener;

    /**
     * @param train what is read
     * @param validation what is measured before the first and after the last step, and between as
     *     the settings say
     * @param seed decides the order of the sequences
     */
    public TrainingLoop(
            PackedDataset train,
            Optional<PackedDataset> validation,
            TrainingSettings settings,
            long seed,
            TrainingListener listener) {
        this.train = train;
        this.validation = validation;
        this.settings = settings;
        this.seed = seed;
        this.listener = listener;
    }

    /**
     * Trains to the end of the stage.
     *
     * @param manager parent of what the loop allocates
     * @param checkpoints where the stage's state is kept; when it holds one, the run goes on from
     *     it
     * @throws dev.tegu.config.InvalidValueException if the settings go by validation data and there
     *     are none
     * @throws NonFiniteException if a loss or gradient stops being finite; the last checkpoint
     *     stands
     * @throws IOException if a checkpoint cannot be written or read
     */
    public void run(Objective objective, NDManager manager, StageCheckpoints checkpoints)
            throws IOException {
        settings.checkValidation(objective.stage(), validation.isPresent());
        int length = train.sequenceLength();
        long total = settings.steps(length);
        LearningRateSchedule schedule = settings.schedule(length);
        BatchOrder order = new BatchOrder(train.size(), settings.batchSize(), seed);
        Map<String, NDArray> parameters = new LinkedHashMap<>();
        objective.groups().forEach(group -> parameters.putAll(group.parameters()));
        parameters.values().forEach(parameter -> parameter.setRequiresGradient(true));
        try (TorchScript script = Scripts.training(AttentionTransfer.LOSS_SCALE);
                AdamW optimizer = new AdamW(script, manager, objective.groups(), settings);
                Measurements measurements =
                        new Measurements(script, manager, parameters, settings)) {
            optimizer.discardGradients();
            Map<String, NDArray> state = new LinkedHashMap<>(parameters);
            state.putAll(optimizer.moments());
            state.putAll(measurements.arrays());
            StageCheckpoints.Restored restored = checkpoints.restore(state, script);
            long done = restored.step();
            listener.stageStarted(
                    new TrainingListener.Stage(
                            objective.stage(), done, total, settings.tokensPerStep(length)));
            if (done == 0) {
                validate(objective, manager, measurements, 0);
            } else {
                measurements.restore(restored.facts());
            }
            for (long step = done; step < total; step++) {
                double rate = measurements.rate(schedule.at(step));
                StepContext context = new StepContext(seed, step, total, 0, 1, Set.of());
                Losses losses = step(objective, manager, optimizer, order, rate, context);
                boolean last = step + 1 == total;
                if (last || (step + 1) % settings.logEvery() == 0 || step == 0) {
                    listener.stepFinished(
                            new TrainingListener.Step(
                                    objective.stage(),
                                    step + 1,
                                    losses,
                                    rate,
                                    (step + 1) * settings.tokensPerStep(length)));
                }
                if (last || isDue(settings.validateEvery(), step)) {
                    validate(objective, manager, measurements, step + 1);
                }
                if (last) {
                    measurements.recallBest();
                }
                if (last || isDue(settings.saveEvery(), step)) {
                    checkpoints.save(state, measurements.facts(), step + 1);
                }
            }
            listener.stageFinished(objective.stage());
        } finally {
            parameters.values().forEach(parameter -> parameter.setRequiresGradient(false));
        }
    }

    /**
     * @param every steps between two events, 0 for none
     * @param step 0-based, just taken
     */
    private static boolean isDue(int every, long step) {
        return every > 0 && (step + 1) % every == 0;
    }

    /**
     * Computes loss and gradients of the first batch twice and times the second; nothing is
     * updated.
     *
     * @param manager parent of what is allocated meanwhile
     */
    public double secondsPerStep(Objective objective, NDManager manager) {
        BatchOrder order = new BatchOrder(train.size(), settings.batchSize(), seed);
        Map<String, NDArray> parameters = new LinkedHashMap<>();
        objective.groups().forEach(group -> parameters.putAll(group.parameters()));
        parameters.values().forEach(parameter -> parameter.setRequiresGradient(true));
        long started = 0;
        try (NDManager scope = manager.newSubManager()) {
            int[] indices = order.batch(0);
            for (int i = 0; i < 2; i++) {
                started = System.nanoTime();
                objective.backward(TrainingBatch.of(scope, train, indices), StepContext.first());
            }
            return (System.nanoTime() - started) * 1e-9 * settings.gradientAccumulationSteps();
        } finally {
            parameters.values().forEach(parameter -> parameter.setRequiresGradient(false));
        }
    }

    private Losses step(
            Objective objective,
            NDManager manager,
            AdamW optimizer,
            BatchOrder order,
            double learningRate,
            StepContext context) {
        // What libtorch draws inside a step (dropout) follows from the step's number.
        manager.getEngine().setRandomSeed((int) (seed * 31 + context.step()));
        int batches = settings.gradientAccumulationSteps();
        List<Losses> all = new ArrayList<>();
        for (int i = 0; i < batches; i++) {
            try (NDManager scope = manager.newSubManager()) {
                int[] indices = order.batch(context.step() * batches + i);
                all.add(
                        objective.backward(
                                TrainingBatch.of(scope, train, indices),
                                context.withMicroBatch(i)));
            }
        }
        Losses losses = Losses.mean(all);
        refuseNonFinite("loss", losses.total(), objective.stage(), context.step());
        float norm = optimizer.step(context.step(), learningRate);
        refuseNonFinite("gradient norm", norm, objective.stage(), context.step());
        return losses;
    }

    private static void refuseNonFinite(String what, double value, String stage, long step) {
        if (!Double.isFinite(value)) {
            throw new NonFiniteException(
                    stage
                            + ", step "
                            + (step + 1)
                            + ": the "
                            + what
                            + " is "
                            + value
                            + "; the learning rate may be too high. Lower `learning_rate` or raise"
                            + " `warmup_ratio`, and go on from the last checkpoint with --resume.");
        }
    }

    private void validate(
            Objective objective, NDManager manager, Measurements measurements, long step) {
        if (validation.isEmpty()) {
            return;
        }
        PackedDataset data = validation.get();
        int count = Math.min(VALIDATION_SEQUENCES, data.size());
        List<Losses> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            try (NDManager scope = manager.newSubManager()) {
                all.add(objective.loss(TrainingBatch.of(scope, data, new int[] {i})));
            }
        }
        Losses losses = Losses.mean(all);
        measurements.measured(losses.total());
        listener.validated(new TrainingListener.Validation(objective.stage(), step, losses));
    }
}
