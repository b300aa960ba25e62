package dev.tegu.distill;

import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.schedule.Scheduler;
import java.util.List;

/** The ranges of {@link StageSettings}, for the constructors of its records. */
final class StageChecks {
    private StageChecks() {}

    static void budget(long tokens, int batchSize, int logEvery, int saveEvery) {
        require(tokens >= 1, "tokens", "1 or more", tokens);
        require(batchSize >= 1, "batch_size", "1 or more", batchSize);
        require(logEvery >= 1, "log_every", "1 or more", logEvery);
        require(saveEvery >= 0, "save_every", "0 or more", saveEvery);
    }

    static void schedule(double learningRate, double warmupRatio, double minLrRatio) {
        boolean positive = learningRate > 0 && Double.isFinite(learningRate);
        require(positive, "learning_rate", "a number above 0", learningRate);
        part("warmup_ratio", warmupRatio);
        part("min_lr_ratio", minLrRatio);
    }

    static void optimizer(double weightDecay, List<Double> betas, double maxGradNorm) {
        notNegative("weight_decay", weightDecay);
        boolean pair = betas.size() == 2 && betas.stream().allMatch(b -> b >= 0 && b < 1);
        require(pair, "betas", "two numbers from 0 to under 1", betas);
        notNegative("max_grad_norm", maxGradNorm);
    }

    static void accumulation(int gradientAccumulationSteps) {
        require(
                gradientAccumulationSteps >= 1,
                "gradient_accumulation_steps",
                "1 or more",
                gradientAccumulationSteps);
    }

    static void measuring(
            Scheduler scheduler,
            int validateEvery,
            boolean keepBest,
            int plateauPatience,
            double plateauFactor) {
        require(validateEvery >= 0, "validate_every", "0 or more", validateEvery);
        boolean waits = scheduler == Scheduler.PLATEAU;
        if ((waits || keepBest) && validateEvery == 0) {
            throw new InvalidValueException(
                    "validate_every",
                    (waits ? "`scheduler: plateau`" : "`keep_best: true`")
                            + " goes by measurements on the validation data; give the steps between"
                            + " two of them");
        }
        require(plateauPatience >= 0, "plateau_patience", "0 or more", plateauPatience);
        boolean shrinks = plateauFactor > 0 && plateauFactor < 1;
        require(shrinks, "plateau_factor", "a number above 0 and under 1", plateauFactor);
    }

    static void require(boolean holds, String key, String expected, Object found) {
        if (!holds) {
            throw new InvalidValueException(key, "expected " + expected + ", found " + found);
        }
    }

    private static void part(String key, double value) {
        require(value >= 0 && value <= 1, key, "a number from 0 to 1", value);
    }

    private static void notNegative(String key, double value) {
        require(value >= 0 && Double.isFinite(value), key, "0 or more", value);
    }
}
