package dev.tegu.distill;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.schedule.Scheduler;
import java.util.List;

/**
 * The block {@code attention_transfer}: the new attention learns to give the old one's outputs. The
 * components are described in {@link StageSettings}.
 */
public record AttentionTransferSettings(
        long tokens,
        @Default("4") int batchSize,
        @Default("1.0e-2") double learningRate,
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
        @Default("0.1") double plateauFactor)
        implements StageSettings {

    /**
     * @throws InvalidValueException if a value is outside its range
     */
    public AttentionTransferSettings {
        betas = List.copyOf(betas);
        StageChecks.budget(tokens, batchSize, logEvery, saveEvery);
        StageChecks.schedule(learningRate, warmupRatio, minLrRatio);
        StageChecks.optimizer(weightDecay, betas, maxGradNorm);
        StageChecks.accumulation(gradientAccumulationSteps);
        StageChecks.measuring(scheduler, validateEvery, keepBest, plateauPatience, plateauFactor);
    }
}
