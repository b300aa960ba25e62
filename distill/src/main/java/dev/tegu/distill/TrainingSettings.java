package dev.tegu.distill;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.schedule.LearningRateSchedule;
import dev.tegu.distill.schedule.Scheduler;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What every training stage is told: how much to read, and how AdamW takes its steps. Its keys
 * stand in the stage's block beside the stage's own.
 *
 * @param tokens tokens to read, at least 1; rounded up to whole steps
 * @param batchSize sequences a batch, at least 1
 * @param learningRate peak learning rate, above 0
 * @param learningRates peaks of their own by {@link ParameterKind}, for example {@code {gate:
 *     1.0e-3}}; kinds that are not named have {@code learning_rate}
 * @param scheduler shape of the decay after the warm-up
 * @param warmupRatio part of the steps that the rate rises in, 0 to 1
 * @param decayRatio part of the steps, the last ones, in which {@link Scheduler#WSD} decays, 0 to 1
 * @param minLrRatio floor of the learning rate as a part of its peak, 0 to 1
 * @param weightDecay AdamW's decoupled weight decay, 0 or more
 * @param betas AdamW's two decay rates of the moments, each at least 0 and under 1
 * @param maxGradNorm largest norm of the gradient, longer ones are scaled down; 0 for no limit
 * @param logEvery steps between two reports of the loss, at least 1
 * @param saveEvery steps between two training checkpoints, 0 for one at the end of the stage only
 * @param saveTotalLimit checkpoints of a stage that are kept, at least 1: the last ones; beside
 *     them stays the one that measured best on the validation data
 * @param gradientAccumulationSteps batches whose gradients are averaged for one step, at least 1
 * @param validateEvery steps between two measurements on the validation data; 0 for one before the
 *     first and one after the last step only, which are always taken
 * @param keepBest whether the stage ends with the parameters that measured best on the validation
 *     data, instead of the last ones; of attention transfer, each layer's by its own loss
 * @param earlyStopPatience measurements in a row without progress after which parameters are
 *     trained no more; of attention transfer, each layer by its own loss. 0 for never
 * @param plateauPatience measurements without progress that {@link Scheduler#PLATEAU} sits through,
 *     0 or more
 * @param plateauFactor what {@link Scheduler#PLATEAU} then multiplies the rate by, above 0 and
 *     under 1
 */
public record TrainingSettings(
        long tokens,
        @Default("4") int batchSize,
        @Default("1.0e-4") double learningRate,
        @Default("{}") Map<String, Double> learningRates,
        @Default("cosine") Scheduler scheduler,
        @Default("0.05") double warmupRatio,
        @Default("0.1") double decayRatio,
        @Default("0.1") double minLrRatio,
        @Default("0.0") double weightDecay,
        @Default("[0.9, 0.999]") List<Double> betas,
        @Default("1.0") double maxGradNorm,
        @Default("10") int logEvery,
        @Default("200") int saveEvery,
        @Default("2") int saveTotalLimit,
        @Default("1") int gradientAccumulationSteps,
        @Default("0") int validateEvery,
        @Default("false") boolean keepBest,
        @Default("0") int earlyStopPatience,
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
        Checks.require(saveTotalLimit >= 1, "save_total_limit", "1 or more", saveTotalLimit);
        Checks.positive("learning_rate", learningRate);
        learningRates = Collections.unmodifiableMap(new LinkedHashMap<>(learningRates));
        learningRates.forEach(
                (kind, rate) -> {
                    ParameterKind.named(kind, "learning_rates." + kind);
                    Checks.positive("learning_rates." + kind, rate);
                });
        Checks.part("warmup_ratio", warmupRatio);
        Checks.part("decay_ratio", decayRatio);
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
        Checks.require(
                earlyStopPatience >= 0, "early_stop_patience", "0 or more", earlyStopPatience);
        boolean waits = scheduler == Scheduler.PLATEAU;
        if ((waits || keepBest || earlyStopPatience > 0) && validateEvery == 0) {
            String asks =
                    waits
                            ? "scheduler: plateau"
                            : keepBest
                                    ? "keep_best: true"
                                    : "early_stop_patience: " + earlyStopPatience;
            throw new InvalidValueException(
                    "validate_every",
                    "`"
                            + asks
                            + "` goes by measurements on the validation data; give the steps between"
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
                learningRate,
                steps(sequenceLength),
                warmupRatio,
                minLrRatio,
                scheduler,
                decayRatio);
    }

    /**
     * Peak learning rate of one parameter.
     *
     * @param parameter its name in the checkpoint
     */
    double learningRateOf(String parameter) {
        return learningRates.getOrDefault(ParameterKind.of(parameter).word(), learningRate);
    }
}
