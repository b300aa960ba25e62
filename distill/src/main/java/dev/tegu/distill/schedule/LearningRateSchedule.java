package dev.tegu.distill.schedule;

/**
 * The learning rate of every step: a straight warm-up to the peak, then a decay to a floor.
 *
 * <p>With w warm-up steps of n: step s under w has peak (s + 1) / w, so that no step is spent at
 * zero; a later one has floor + (peak - floor) d(p), p = (s - w) / (n - w), where d is (1 + cos(pi
 * p)) / 2, 1 - p or 1; {@link Scheduler#WSD} has its cosine over the last steps only. The first
 * step after the warm-up has the peak; the floor is what the step after the last one would have. A
 * plateau's cuts depend on losses and come on top: {@link Plateau}.
 *
 * @param learningRate the peak, above 0
 * @param totalSteps steps of the stage, at least 1
 * @param warmupSteps steps of the warm-up, 0 to {@code totalSteps}
 * @param minLrRatio floor as a part of the peak, 0 to 1
 * @param scheduler shape of the decay
 * @param decaySteps last steps, those of the decay of {@link Scheduler#WSD}; 0 to {@code
 *     totalSteps}
 */
public record LearningRateSchedule(
        double learningRate,
        long totalSteps,
        long warmupSteps,
        double minLrRatio,
        Scheduler scheduler,
        long decaySteps) {

    /**
     * @throws IllegalArgumentException if a value is outside its range
     */
    public LearningRateSchedule {
        require(learningRate > 0 && Double.isFinite(learningRate), "learning_rate", learningRate);
        require(totalSteps >= 1, "total steps", totalSteps);
        require(warmupSteps >= 0 && warmupSteps <= totalSteps, "warm-up steps", warmupSteps);
        require(minLrRatio >= 0 && minLrRatio <= 1, "min_lr_ratio", minLrRatio);
        require(decaySteps >= 0 && decaySteps <= totalSteps, "decay steps", decaySteps);
    }

    /**
     * @param warmupRatio warm-up as a part of all steps, 0 to 1; rounded up to whole steps, as
     *     HuggingFace's trainer does
     * @param decayRatio decay of {@link Scheduler#WSD} as a part of all steps, 0 to 1; rounded up
     */
    public static LearningRateSchedule of(
            double learningRate,
            long totalSteps,
            double warmupRatio,
            double minLrRatio,
            Scheduler scheduler,
            double decayRatio) {
        require(warmupRatio >= 0 && warmupRatio <= 1, "warmup_ratio", warmupRatio);
        long warmupSteps = (long) Math.ceil(warmupRatio * totalSteps);
        require(decayRatio >= 0 && decayRatio <= 1, "decay_ratio", decayRatio);
        long decaySteps = (long) Math.ceil(decayRatio * totalSteps);
        return new LearningRateSchedule(
                learningRate, totalSteps, warmupSteps, minLrRatio, scheduler, decaySteps);
    }

    /**
     * @param step 0-based; from {@code totalSteps} on the decay has ended
     */
    public double at(long step) {
        if (step < warmupSteps) {
            return learningRate * (step + 1) / warmupSteps;
        }
        boolean stays = scheduler == Scheduler.CONSTANT || scheduler == Scheduler.PLATEAU;
        if (stays) {
            return learningRate;
        }
        long from = warmupSteps;
        if (scheduler == Scheduler.WSD) {
            from = Math.max(from, totalSteps - decaySteps);
            if (step < from) {
                return learningRate;
            }
        }
        double left = step < totalSteps ? (double) (totalSteps - step) / (totalSteps - from) : 0;
        double part = scheduler == Scheduler.LINEAR ? left : (1 - Math.cos(Math.PI * left)) / 2;
        return learningRate * (minLrRatio + (1 - minLrRatio) * part);
    }

    private static void require(boolean holds, String name, Number found) {
        if (!holds) {
            throw new IllegalArgumentException(name + ": out of range, found " + found);
        }
    }
}
