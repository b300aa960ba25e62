package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
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
import java.util.OptionalLong;
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

    private final Health health;

    /**
     * Whether each step looks at its losses and gradients before it changes anything. On a CPU that
     * costs nothing; with a loss scale the next step depends on it. Else a step only notes on the
     * device what it found, and whoever needs to know waits: a step that is told of, a measurement,
     * a checkpoint.
     */
    private boolean waits;

    /** Steps begun so far, of those that are not waited for. */
    private long begun;

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

    /**
     * @param mayRunAhead whether steps need not be waited for
     */
    StageRun(
            Objective objective,
            NDManager manager,
            PackedDataset train,
            TrainingSettings settings,
            long seed,
            StageCheckpoints checkpoints,
            boolean mayRunAhead) {
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
        this.health = new Health(script, manager);
        this.waits = !mayRunAhead || lossScale.isPresent();
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
     * @throws NonFiniteException as of {@link #step}; nothing is written then
     */
    void save(long steps) throws IOException {
        settle();
        write(steps);
    }

    private void write(long steps) throws IOException {
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
     * Takes a step. On a GPU it has only begun when this returns, unless it is told of.
     *
     * @param step 0-based
     * @param told whether the caller wants to know what it was
     * @return what it was, if that is wanted
     * @throws NonFiniteException if a loss or gradient is not finite: of this step, or of an
     *     earlier one that nothing has waited for. Nothing was changed since, and a checkpoint
     *     holds the state before that step
     */
    Optional<Taken> step(long step, boolean told) throws IOException {
        validationLoss = OptionalDouble.empty();
        try (NDManager scope = manager.newSubManager()) {
            Computed found = compute(scope, step);
            if (!waits) {
                update(found, health.note(scope, step, found.losses(), found.norms()));
                begun = step + 1;
            } else if (isFit(found)) {
                update(found, scope.ones(new Shape(1)));
            }
            if (!told) {
                return Optional.empty();
            }
            settle();
            List<Losses> losses = found.losses().stream().map(BatchLosses::read).toList();
            double norm = largest(found.norms().toFloatArray());
            return Optional.of(new Taken(Losses.mean(losses), reported(schedule.at(step)), norm));
        }
    }

    /**
     * What a step goes by.
     *
     * @param losses of its batches
     * @param norms of {@link AdamW#norms}
     */
    private record Computed(StepContext context, List<BatchLosses> losses, NDArray norms) {}

    /** Computes a step's losses and gradients, and waits for nothing. */
    private Computed compute(NDManager scope, long step) {
        // What libtorch draws inside a step (dropout) follows from the step's number.
        manager.getEngine().setRandomSeed((int) (seed * 31 + step));
        Set<String> stopped = measurements.stopped();
        float scale = lossScale.map(LossScale::factor).orElse(1f);
        StepContext context = new StepContext(seed, step, schedule.totalSteps(), 0, scale, stopped);
        List<BatchLosses> all = new ArrayList<>();
        for (int i = 0; i < settings.gradientAccumulationSteps(); i++) {
            try (NDManager inner = scope.newSubManager()) {
                TrainingBatch batch = batch(inner, step, i);
                all.add(objective.backward(batch, context.withMicroBatch(i)).attach(scope));
            }
        }
        return new Computed(context, all, optimizer.norms(scope, scale));
    }

    /**
     * Looks at a step's numbers.
     *
     * @return whether it may be taken; not, where a smaller loss scale may help
     * @throws NonFiniteException where nothing helps
     */
    private boolean isFit(Computed found) throws IOException {
        long step = found.context().step();
        for (int i = 0; i < found.losses().size(); i++) {
            Losses losses = found.losses().get(i).read();
            if (!Double.isFinite(losses.total())) {
                throw failed("loss", losses.total(), step, place(losses, step, i));
            }
        }
        float[] norms = found.norms().toFloatArray();
        Optional<Integer> overflow = firstNonFinite(norms);
        if (overflow.isEmpty()) {
            return true;
        }
        if (lossScale.isPresent() && lossScale.get().canShrink()) {
            optimizer.discardGradients();
            lossScale = lossScale.map(LossScale::afterOverflow);
            return false;
        }
        int group = overflow.get();
        String name = optimizer.nonFinite().stream().findFirst().orElse(groups.get(group).name());
        throw failed("gradient norm", norms[group], step, Optional.of(name));
    }

    private void update(Computed found, NDArray live) {
        StepContext context = found.context();
        double rate = schedule.at(context.step()) / settings.learningRate();
        for (int i = 0; i < groups.size(); i++) {
            String name = groups.get(i).name();
            if (!context.stopped().contains(name)) {
                double own = rate * measurements.rate(name);
                optimizer.step(i, updates, own, found.norms(), live, context.lossScale());
            }
        }
        updates++;
        lossScale = lossScale.map(LossScale::afterGoodStep);
    }

    /**
     * Waits for the steps so far.
     *
     * @throws NonFiniteException as of {@link #step}
     */
    void settle() throws IOException {
        OptionalLong bad = waits ? OptionalLong.empty() : health.firstBad();
        if (bad.isEmpty()) {
            return;
        }
        // No step from that one on has changed anything: computed again, it says what was wrong.
        long step = bad.getAsLong();
        updates -= begun - step;
        waits = true;
        try (NDManager scope = manager.newSubManager()) {
            isFit(compute(scope, step));
        }
        throw failed("loss or a gradient", Double.NaN, step, Optional.empty());
    }

    /** The rate that a plateau has left, where one group goes by it. */
    private double reported(double rate) {
        return groups.size() == 1 ? rate * measurements.rate(groups.get(0).name()) : rate;
    }

    private TrainingBatch batch(NDManager scope, long step, int number) {
        long batches = settings.gradientAccumulationSteps();
        return read(scope, train, order.batch(step * batches + number));
    }

    /**
     * Reads a batch; see {@link TrainingBatch#of(TorchScript, NDManager, PackedDataset, int[])}.
     */
    TrainingBatch read(NDManager scope, PackedDataset data, int[] indices) {
        return TrainingBatch.of(script, scope, data, indices);
    }

    /** Where a loss has stopped being finite: what the objective finds, else the group it is of. */
    private Optional<String> place(Losses losses, long step, int number) {
        Optional<String> found;
        try (NDManager scope = manager.newSubManager()) {
            found = objective.firstNonFinite(batch(scope, step, number));
        }
        return found.or(
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
            write(step);
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
        health.close();
        optimizer.close();
        script.close();
    }
}
