package dev.tegu.distill;

import java.util.Set;
import java.util.SplittableRandom;

/**
 * Where training stands when an objective is asked for gradients. Whatever is random in a step is
 * drawn from here, so that it follows from the seed and the numbers alone.
 *
 * @param seed of the run
 * @param step 0-based
 * @param totalSteps steps of the stage
 * @param microBatch 0-based number of the batch within the step
 * @param lossScale what the loss is multiplied by before backward, 1 but for float16 models; the
 *     optimizer takes it out again
 * @param stopped names of the parameter groups that are trained no more
 */
public record StepContext(
        long seed,
        long step,
        long totalSteps,
        int microBatch,
        float lossScale,
        Set<String> stopped) {

    /** The first batch of a stage. */
    public static StepContext first() {
        return new StepContext(0, 0, 1, 0, 1, Set.of());
    }

    /** Another batch of the same step. */
    StepContext withMicroBatch(int number) {
        return new StepContext(seed, step, totalSteps, number, lossScale, stopped);
    }

    /**
     * Random numbers of this batch.
     *
     * @param use what they are for; other uses get others
     * @param layer number of the layer that draws, or 0
     */
    public SplittableRandom random(String use, int layer) {
        long mixed = seed;
        for (long part : new long[] {step, microBatch, use.hashCode(), layer}) {
            mixed = new SplittableRandom(mixed * 0x9E3779B97F4A7C15L + part).nextLong();
        }
        return new SplittableRandom(mixed);
    }

    /** Part of the stage that lies behind this step, 0 to under 1. */
    public double progress() {
        return (double) step / totalSteps;
    }
}
