package dev.tegu.distill;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.schedule.LearningRateSchedule;
import dev.tegu.distill.schedule.Scheduler;
import java.util.List;

/**
 * What every training stage is told: how much to read, and how AdamW takes its steps. Its keys
 * stand in the stage's block beside the stage's own.
 *
 * @param tokens tokens to read, at least 1; rounded up to whole steps
 * @param batchSize sequences a batch, at least 1
 * @param learningRate peak learning rate, above 0
 * @param scheduler shape of the decay after the warm-up
 * @param warmupRatio part of the steps that the rate rises in, 0 to 1
 * @param minLrRatio floor of the learning rate as a part of its peak, 0 to 1
 * @param weightDecay AdamW's decoupled weight decay, 0 or more
 * @param betas AdamW's two decay rates of the moments, each at least 0 and under 1
 * @param maxGradNorm largest norm of the gradient, longer ones are scaled down; 0 for no limit
 * @param logEvery steps between two reports of the loss, at least 1
 * @param saveEvery steps between two training checkpoints, 0 for one at the end of the stage only
 * @param gradientAccumulationSteps batches whose gradients are averaged for one step, at least 1
 * @param validateEvery steps between two measurements on the validation data; 0 for one before the
 *     first and one after the last step only, which are always taken
 * @param keepBest whether the stage ends with the parameters that measured best on the validation
 *     data, instead of the last ones
 * @param plateauPatience measurements without progress that {@link Scheduler#PLATEAU} sits through,
 *     0 or more
 * @param plateauFactor what {@link Scheduler#PLATEAU} then multiplies the rate by, above 0 and
 *     under 1
 */
public record TrainingSettings(
        long tokens,
        @Default("4") int batchSize,
        @Default("1.0e-4") double learningRate,
        @Default("cosine") Scheduler scheduler,
        @Default("0.05") double warmupRatio,
        @Default("0.1") double minLrRatio,
        @Default("0.0") double weightDecay,
        @Default("[0.9, 0.999]") List<Double> betas,
        @Default("1.0") double maxGradNorm,
        @Default("10") int logEvery,
        @Default("200") int saveEvery,
        @Default("1") int gradientAccumulationSteps,
        @Default("0") int validateEvery,
        @Default("false") boolean keepBest,
        @Default("10") int plateauPatience,
        @Default("0.1") double plateauFactor) {

    /**
     * @throws InvalidValueException if a value is outside its range
     */
    public TrainingSettings {
        betas = List.copyOf(betas);
        Checks.require(tokens >= 1, "tokens", "1 or more", tokens);
        Checks.require(batchSize >= 1, "batch_size", "1 or more", batchSize);
        Checks.require(logEvery >= 1, "log_every", "1 or more", logEvery);
        Checks.require(saveEvery >= 0, "save_every", "0 or more", saveEvery);
        Checks.positive("learning_rate", learningRate);
        Checks.part("warmup_ratio", warmupRatio);
        Checks.part("min_lr_ratio", minLrRatio);
        Checks.notNegative("weight_decay", weightDecay);
        Checks.notNegative("max_grad_norm", maxGradNorm);
        boolean rates = betas.size() == 2 && betas.stream().allMatch(b -> b >= 0 && b < 1);
        Checks.require(rates, "betas", "two numbers from 0 to under 1", betas);
        Checks.require(
                gradientAccumulationSteps >= 1,
                "gradient_accumulation_steps",
                "1 or more",
                gradientAccumulationSteps);
        Checks.require(validateEvery >= 0, "validate_every", "0 or more", validateEvery);
        boolean waits = scheduler == Scheduler.PLATEAU;
        if ((waits || keepBest) && validateEvery == 0) {
            throw new InvalidValueException(
                    "validate_every",
                    (waits ? "`scheduler: plateau`" : "`keep_best: true`")
                            + " goes by measurements on the validation data; give the steps between"
                            + " two of them");
        }
        Checks.require(plateauPatience >= 0, "plateau_patience", "0 or more", plateauPatience);
        boolean shrinks = plateauFactor > 0 && plateauFactor < 1;
        Checks.require(shrinks, "plateau_factor", "a number above 0 and under 1", plateauFactor);
    }

    /** Steps that read {@link #tokens()} tokens, at least 1. */
    public long steps(int sequenceLength) {
        return (tokens() - 1) / tokensPerStep(sequenceLength) + 1;
    }

    /** Tokens that one step reads. */
    public long tokensPerStep(int sequenceLength) {
        return (long) batchSize() * gradientAccumulationSteps() * sequenceLength;
    }

    /**
     * Refuses settings that go by measurements where there is nothing to measure.
     *
     * @param stage the stage's key in the configuration
     * @param hasValidation whether there are validation data
     * @throws InvalidValueException at {@code STAGE.validate_every}
     */
    public void checkValidation(String stage, boolean hasValidation) {
        if (validateEvery() > 0 && !hasValidation) {
            throw new InvalidValueException(
                    stage + ".validate_every",
                    "there is nothing to measure: name files in `data.validation`, or set 0");
        }
    }

    /** The learning rate of every step. */
    public LearningRateSchedule schedule(int sequenceLength) {
        return LearningRateSchedule.of(
                learningRate(), steps(sequenceLength), warmupRatio(), minLrRatio(), scheduler());
    }
}
