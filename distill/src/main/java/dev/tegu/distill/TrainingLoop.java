package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.distill.data.BatchOrder;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * The one loop of all stages: steps, reports, measurements, checkpoints.
 *
 * <p>A step reads as many batches as the settings accumulate and goes along the mean of their
 * gradients. Batches run on over the end of an epoch, so no step is short of batches and no batch
 * of sequences. A checkpoint stands between two steps: what a killed run had accumulated for the
 * next one is computed again.
 *
 * <p>On a GPU steps are not waited for: it is asked for the next one while it is at this one. A
 * step whose loss or gradient is not finite still changes nothing, and neither does any after it;
 * it is found out at the next step that the listener is told of, measurement or checkpoint.
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
    private final BooleanSupplier stop;
    private boolean runsAhead;

    /** As the other constructor, for a run that nothing stops. */
    public TrainingLoop(
            PackedDataset train,
            Optional<PackedDataset> validation,
            TrainingSettings settings,
            long seed,
            TrainingListener listener) {
        this(train, validation, settings, seed, listener, () -> false);
    }

    /**
     * @param train what is read
     * @param validation what is measured before the first and after the last step, and between as
     *     the settings say
     * @param seed decides the order of the sequences and all else that is random
     * @param stop asked between steps; once it says true the state is saved and the run ends
     */
    public TrainingLoop(
            PackedDataset train,
            Optional<PackedDataset> validation,
            TrainingSettings settings,
            long seed,
            TrainingListener listener,
            BooleanSupplier stop) {
        this.train = train;
        this.validation = validation;
        this.settings = settings;
        this.seed = seed;
        this.listener = listener;
        this.stop = stop;
    }

    /**
     * Trains to the end of the stage, which is its last step, or the measurement at which no group
     * of parameters learns any more.
     *
     * @param manager parent of what the loop allocates
     * @param checkpoints where the stage's state is kept; when it holds one, the run goes on from
     *     it
     * @throws dev.tegu.config.InvalidValueException if the settings go by validation data and there
     *     are none
     * @throws NonFiniteException if a loss or gradient stops being finite; a checkpoint holds the
     *     state before that step
     * @throws StoppedException if the run was asked to stop; a checkpoint holds its state
     * @throws IOException if a checkpoint cannot be written or read
     */
    public void run(Objective objective, NDManager manager, StageCheckpoints checkpoints)
            throws IOException {
        settings.checkValidation(objective.stage(), validation.isPresent());
        String stage = objective.stage();
        int length = objective.tokensRead(train.sequenceLength());
        long total = settings.steps(length);
        long tokens = settings.tokensPerStep(length);
        try (StageRun run =
                new StageRun(
                        objective,
                        manager,
                        train,
                        settings,
                        seed,
                        checkpoints,
                        mayRunAhead(manager))) {
            long done = run.restore();
            listener.stageStarted(new TrainingListener.Stage(stage, done, total, tokens));
            if (done == 0) {
                validate(run, objective, manager, 0);
            }
            boolean ended = done == total || run.isAtRest();
            if (!ended && stop.getAsBoolean()) {
                throw new StoppedException(
                        ("stopped after step " + done + " of " + total + " of " + stage)
                                + "; go on with --resume");
            }
            for (long step = done; !ended; step++) {
                boolean last = step + 1 == total;
                boolean told = last || isDue(settings.logEvery(), step) || step == 0;
                Optional<StageRun.Taken> taken = run.step(step, told);
                if (taken.isPresent()) {
                    listener.stepFinished(
                            new TrainingListener.Step(
                                    stage,
                                    step + 1,
                                    taken.get().losses(),
                                    taken.get().learningRate(),
                                    (step + 1) * tokens,
                                    taken.get().gradientNorm()));
                }
                if (last || isDue(settings.validateEvery(), step)) {
                    validate(run, objective, manager, step + 1);
                }
                ended = last || run.isAtRest();
                if (ended) {
                    run.recallBest();
                }
                boolean stops = stop.getAsBoolean();
                if (ended || stops || isDue(settings.saveEvery(), step)) {
                    listener.saving(stage);
                    run.save(step + 1);
                }
                if (stops && !ended) {
                    throw new StoppedException(
                            ("stopped after step " + (step + 1) + " of " + total + " of " + stage)
                                    + "; the state is saved, go on with --resume");
                }
            }
            listener.stageFinished(stage);
        }
    }

    /** Whether steps go on while a device is still at earlier ones. */
    private boolean mayRunAhead(NDManager manager) {
        return runsAhead || manager.getDevice().isGpu();
    }

    /** Has steps run ahead on a CPU too, as they do on a GPU. */
    TrainingLoop runningAhead() {
        runsAhead = true;
        return this;
    }

    /**
     * @param every steps between two events, 0 for none
     * @param step 0-based, just taken
     */
    private static boolean isDue(int every, long step) {
        return every > 0 && (step + 1) % every == 0;
    }

    private void validate(StageRun run, Objective objective, NDManager manager, long step)
            throws IOException {
        if (validation.isEmpty()) {
            return;
        }
        run.settle();
        PackedDataset data = validation.get();
        int count = Math.min(VALIDATION_SEQUENCES, data.size());
        List<Losses> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            try (NDManager scope = manager.newSubManager()) {
                all.add(objective.loss(run.read(scope, data, new int[] {i})));
            }
        }
        Losses losses = Losses.mean(all);
        run.measured(losses);
        listener.validated(new TrainingListener.Validation(objective.stage(), step, losses));
    }

    /**
     * Computes loss and gradients of the first batch twice and times the second; nothing is
     * updated. Measures the first validation sequence too, where there is one, so that afterwards
     * the process has held at its peak what a step and a measurement take.
     *
     * @param manager parent of what is allocated meanwhile
     */
    public double secondsPerStep(Objective objective, NDManager manager) {
        BatchOrder order = new BatchOrder(train.size(), settings.batchSize(), seed);
        Map<String, NDArray> parameters = new LinkedHashMap<>();
        objective.groups().forEach(group -> parameters.putAll(group.parameters()));
        parameters.values().forEach(parameter -> parameter.setRequiresGradient(true));
        long started = 0;
        try (NDManager scope = manager.newSubManager();
                TorchScript script = Scripts.training()) {
            int[] indices = order.batch(0);
            for (int i = 0; i < 2; i++) {
                started = System.nanoTime();
                objective
                        .backward(
                                TrainingBatch.of(script, scope, train, indices),
                                StepContext.first())
                        .read();
                // made after all else that was asked of a GPU: read when that is done
                scope.zeros(new Shape(1)).toFloatArray();
            }
            double seconds = (System.nanoTime() - started) * 1e-9;
            validation.ifPresent(
                    data -> objective.loss(TrainingBatch.of(script, scope, data, new int[] {0})));
            return seconds * settings.gradientAccumulationSteps();
        } finally {
            parameters.values().forEach(parameter -> parameter.setRequiresGradient(false));
        }
    }
}
