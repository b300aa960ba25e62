package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.distill.data.BatchOrder;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.schedule.LearningRateSchedule;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * A stage that is being trained: its parameters, what AdamW and the measurements remember of them,
 * and the single step. All that decides the future is here, and in its checkpoints.
 */
final class StageRun implements AutoCloseable {
    private static final String UPDATES = "updates";
    private static final String SEED = "seed";

    private final Objective objective;
    private final NDManager manager;
    private final PackedDataset train;
    private final TrainingSettings settings;
    private final long seed;
    private final StageCheckpoints checkpoints;
    private final List<ParameterGroup> groups;
    private final Map<String, NDArray> parameters = new LinkedHashMap<>();
    private final Map<String, NDArray> state = new LinkedHashMap<>();
    private final TorchScript script = Scripts.training();
    private final AdamW optimizer;
    private final Measurements measurements;
    private final BatchOrder order;
    private final LearningRateSchedule schedule;
    private Optional<LossScale> lossScale;

    /** Steps of the optimizer; a step whose gradients overflowed is none. */
    private long updates;

    /** Of the parameters as they are now, if it was measured. */
    private OptionalDouble validationLoss = OptionalDouble.empty();

    /**
     * What a step was.
     *
     * @param losses mean over its batches, before the update
     * @param learningRate of the schedule; groups and kinds of parameters may have their own
     * @param gradientNorm largest of a group, before clipping
     */
    record Taken(Losses losses, double learningRate, double gradientNorm) {}

    StageRun(
            Objective objective,
            NDManager manager,
            PackedDataset train,
            TrainingSettings settings,
            long seed,
            StageCheckpoints checkpoints) {
        this.objective = objective;
        this.manager = manager;
        this.train = train;
        this.settings = settings;
        this.seed = seed;
        this.checkpoints = checkpoints;
        this.groups = objective.groups();
        this.lossScale =
                objective.needsLossScaling() ? Optional.of(LossScale.start()) : Optional.empty();
        this.order = new BatchOrder(train.size(), settings.batchSize(), seed);
        this.schedule = settings.schedule(objective.tokensRead(train.sequenceLength()));
        groups.forEach(group -> parameters.putAll(group.parameters()));
        parameters.values().forEach(parameter -> parameter.setRequiresGradient(true));
        this.optimizer = new AdamW(script, manager, groups, settings);
        this.measurements = new Measurements(script, manager, groups, settings);
        optimizer.discardGradients();
        state.putAll(parameters);
        state.putAll(optimizer.moments());
        state.putAll(measurements.arrays());
    }

    /**
     * Takes up the last checkpoint.
     *
     * @return steps that lie behind it, 0 if there is none
     */
    long restore() throws IOException {
        StageCheckpoints.Restored restored =
                checkpoints.restore(state, script, settings.saveTotalLimit());
        if (restored.step() > 0) {
            Map<String, String> facts = restored.facts();
            measurements.restore(facts);
            updates = Long.parseLong(facts.get(UPDATES));
            lossScale = lossScale.map(scale -> LossScale.restore(facts));
        }
        return restored.step();
    }

    /**
     * Writes a checkpoint.
     *
     * @param steps taken so far
     */
    void save(long steps) throws IOException {
        Map<String, String> facts = new LinkedHashMap<>(measurements.facts());
        facts.put(UPDATES, String.valueOf(updates));
        facts.put(SEED, String.valueOf(seed));
        lossScale.ifPresent(scale -> facts.putAll(scale.facts()));
        validationLoss.ifPresent(
                loss -> facts.put(StageCheckpoints.VALIDATION_LOSS, String.valueOf(loss)));
        checkpoints.save(state, facts, steps, settings.saveTotalLimit());
    }

    /** After a measurement on the validation data. */
    void measured(Losses losses) {
        measurements.measured(losses);
        validationLoss = OptionalDouble.of(losses.total());
    }

    /** Whether there is nothing left that is trained. */
    boolean isAtRest() {
        return measurements.stopped().size() == groups.size();
    }

    /** Gives the parameters their best values, where the settings ask for it. */
    void recallBest() {
        measurements.recallBest();
    }

    /**
     * @param step 0-based
     * @throws NonFiniteException if the loss or a gradient is not finite; nothing was changed, and
     *     a checkpoint holds the state as it is
     */
    Taken step(long step) throws IOException {
        validationLoss = OptionalDouble.empty();
        // What libtorch draws inside a step (dropout) follows from the step's number.
        manager.getEngine().setRandomSeed((int) (seed * 31 + step));
        Set<String> stopped = measurements.stopped();
        float scale = lossScale.map(LossScale::factor).orElse(1f);
        StepContext context = new StepContext(seed, step, schedule.totalSteps(), 0, scale, stopped);
        List<Losses> all = new ArrayList<>();
        for (int i = 0; i < settings.gradientAccumulationSteps(); i++) {
            try (NDManager scope = manager.newSubManager()) {
                TrainingBatch batch = batch(scope, step, i);
                Losses losses = objective.backward(batch, context.withMicroBatch(i));
                if (!Double.isFinite(losses.total())) {
                    throw failed("loss", losses.total(), step, place(losses, batch));
                }
                all.add(losses);
            }
        }
        double rate = schedule.at(step);
        float[] norms = optimizer.norms(scale);
        Optional<Integer> overflow = firstNonFinite(norms);
        if (overflow.isEmpty()) {
            update(norms, rate / settings.learningRate(), scale, stopped);
        } else if (lossScale.isPresent() && lossScale.get().canShrink()) {
            optimizer.discardGradients();
            lossScale = lossScale.map(LossScale::afterOverflow);
        } else {
            int group = overflow.get();
            String name =
                    optimizer.nonFinite().stream().findFirst().orElse(groups.get(group).name());
            throw failed("gradient norm", norms[group], step, Optional.of(name));
        }
        return new Taken(Losses.mean(all), reported(rate), largest(norms));
    }

    private void update(float[] norms, double rate, float scale, Set<String> stopped) {
        for (int i = 0; i < groups.size(); i++) {
            String name = groups.get(i).name();
            if (!stopped.contains(name)) {
                optimizer.step(i, updates, rate * measurements.rate(name), norms[i], scale);
            }
        }
        updates++;
        lossScale = lossScale.map(LossScale::afterGoodStep);
    }

    /** The rate that a plateau has left, where one group goes by it. */
    private double reported(double rate) {
        return groups.size() == 1 ? rate * measurements.rate(groups.get(0).name()) : rate;
    }

    private TrainingBatch batch(NDManager scope, long step, int number) {
        long batches = settings.gradientAccumulationSteps();
        return TrainingBatch.of(scope, train, order.batch(step * batches + number));
    }

    /** Where a loss has stopped being finite: what the objective finds, else the group it is of. */
    private Optional<String> place(Losses losses, TrainingBatch batch) {
        return objective
                .firstNonFinite(batch)
                .or(
                        () ->
                                losses.parts().stream()
                                        .filter(part -> !Double.isFinite(part.loss()))
                                        .map(Losses.Part::name)
                                        .findFirst()
                                        .filter(this::isGroup));
    }

    private boolean isGroup(String name) {
        return groups.stream().anyMatch(group -> group.name().equals(name));
    }

    /** Keeps the state before a step that failed, which nothing has changed yet. */
    private NonFiniteException failed(String what, double value, long step, Optional<String> place)
            throws IOException {
        optimizer.discardGradients();
        if (step > 0 && checkpoints.lastStep() < step) {
            save(step);
        }
        return new NonFiniteException(
                objective.stage()
                        + ", step "
                        + (step + 1)
                        + place.map(name -> ", " + name).orElse("")
                        + ": the "
                        + what
                        + " is "
                        + value
                        + "; the learning rate may be too high. Lower `learning_rate` or raise"
                        + " `warmup_ratio` and begin anew in another `output`"
                        + (step > 0 ? "; the state before this step is kept as step-" + step : "")
                        + ".");
    }

    private static Optional<Integer> firstNonFinite(float[] norms) {
        for (int i = 0; i < norms.length; i++) {
            if (!Float.isFinite(norms[i])) {
                return Optional.of(i);
            }
        }
        return Optional.empty();
    }

    private static double largest(float[] norms) {
        double largest = 0;
        for (float norm : norms) {
            // NaN wins, so that it is seen
            largest = Math.max(largest, norm);
        }
        return largest;
    }

    @Override
    public void close() {
        parameters.values().forEach(parameter -> parameter.setRequiresGradient(false));
        measurements.close();
        optimizer.close();
        script.close();
    }
}
