package dev.tegu.distill;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.schedule.Scheduler;
import java.util.List;

/**
 * The block {@code pretrain}: every weight of a new model learns to foretell the next token. The
 * components are described in {@link StageSettings}; weight decay goes over every weight, norms
 * too.
 */
public record PretrainSettings(
        long tokens,
        @Default("16") int batchSize,
        @Default("1.0e-3") double learningRate,
        @Default("cosine") Scheduler scheduler,
        @Default("0.02") double warmupRatio,
        @Default("0.1") double minLrRatio,
        @Default("0.0") double weightDecay,
        @Default("[0.9, 0.95]") List<Double> betas,
        @Default("1.0") double maxGradNorm,
        @Default("10") int logEvery,
        @Default("0") int saveEvery,
        @Default("1") int gradientAccumulationSteps,
        @Default("0") int validateEvery,
        @Default("false") boolean keepBest,
        @Default("10") int plateauPatience,
        @Default("0.1") double plateauFactor)
        implements StageSettings {

    /**
     * @throws InvalidValueException if a value is outside its range
     */
    public PretrainSettings {
        betas = List.copyOf(betas);
        StageChecks.budget(tokens, batchSize, logEvery, saveEvery);
        StageChecks.schedule(learningRate, warmupRatio, minLrRatio);
        StageChecks.optimizer(weightDecay, betas, maxGradNorm);
        StageChecks.accumulation(gradientAccumulationSteps);
        StageChecks.measuring(scheduler, validateEvery, keepBest, plateauPatience, plateauFactor);
    }
}
