package dev.tegu.distill;

import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.schedule.LearningRateSchedule;
import dev.tegu.distill.schedule.Scheduler;
import java.util.List;

/** What every training stage is told: how much to read, and how AdamW takes its steps. */
public interface StageSettings {
    /** Tokens to read, at least 1; rounded up to whole steps. */
    long tokens();

    /** Sequences a batch, at least 1. */
    int batchSize();

    /** Peak learning rate, above 0. */
    double learningRate();

    /** Shape of the decay after the warm-up. */
    Scheduler scheduler();

    /** Part of the steps that the rate rises in, 0 to 1. */
    double warmupRatio();

    /** Floor of the learning rate as a part of its peak, 0 to 1. */
    double minLrRatio();

    /** AdamW's decoupled weight decay, 0 or more. */
    double weightDecay();

    /** AdamW's two decay rates of the moments, each at least 0 and under 1. */
    List<Double> betas();

    /** Largest norm of the gradient, longer ones are scaled down; 0 for no limit. */
    double maxGradNorm();

    /** Steps between two reports of the loss, at least 1. */
    int logEvery();

    /** Steps between two training checkpoints, 0 for one at the end of the stage only. */
    int saveEvery();

    /** Batches whose gradients are averaged for one step, at least 1. */
    int gradientAccumulationSteps();

    /**
     * Steps between two measurements on the validation data; 0 for one before the first and one
     * after the last step only, which are always taken.
     */
    int validateEvery();

    /**
     * Whether the stage ends with the parameters that measured best on the validation data, instead
     * of the last ones.
     */
    boolean keepBest();

    /** Measurements without progress that {@link Scheduler#PLATEAU} sits through, 0 or more. */
    int plateauPatience();

    /** What {@link Scheduler#PLATEAU} then multiplies the rate by, above 0 and under 1. */
    double plateauFactor();

    /** Steps that read {@link #tokens()} tokens, at least 1. */
    default long steps(int sequenceLength) {
        return (tokens() - 1) / tokensPerStep(sequenceLength) + 1;
    }

    /** Tokens that one step reads. */
    default long tokensPerStep(int sequenceLength) {
        return (long) batchSize() * gradientAccumulationSteps() * sequenceLength;
    }

    /**
     * Refuses settings that go by measurements where there is nothing to measure.
     *
     * @param stage the stage's key in the configuration
     * @param hasValidation whether there are validation data
     * @throws InvalidValueException at {@code STAGE.validate_every}
     */
    default void checkValidation(String stage, boolean hasValidation) {
        if (validateEvery() > 0 && !hasValidation) {
            throw new InvalidValueException(
                    stage + ".validate_every",
                    "there is nothing to measure: name files in `data.validation`, or set 0");
        }
    }

    /** The learning rate of every step. */
    default LearningRateSchedule schedule(int sequenceLength) {
        return LearningRateSchedule.of(
                learningRate(), steps(sequenceLength), warmupRatio(), minLrRatio(), scheduler());
    }
}
