package dev.tegu.distill;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.schedule.Scheduler;
import java.util.List;
import java.util.Set;

/**
 * The block {@code lora_finetune}: low-rank adapters repair what the new attention cannot do. The
 * other components are described in {@link StageSettings}.
 *
 * @param r rank of the adapters, at least 1
 * @param loraAlpha scale: an adapter adds {@code (lora_alpha / r) B A}; above 0
 * @param loraDropout part of an adapter's inputs that is dropped while training, 0 to under 1
 * @param targetModules projections that get an adapter, at least one, none twice
 */
public record LoraFinetuneSettings(
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
        @Default("0.1") double plateauFactor,
        @Default("8") int r,
        @Default("16.0") double loraAlpha,
        @Default("0.0") double loraDropout,
        @Default("[q_proj, k_proj, v_proj, o_proj]") List<String> targetModules)
        implements StageSettings {

    /**
     * @throws InvalidValueException if a value is outside its range
     */
    public LoraFinetuneSettings {
        betas = List.copyOf(betas);
        targetModules = List.copyOf(targetModules);
        StageChecks.budget(tokens, batchSize, logEvery, saveEvery);
        StageChecks.schedule(learningRate, warmupRatio, minLrRatio);
        StageChecks.optimizer(weightDecay, betas, maxGradNorm);
        StageChecks.accumulation(gradientAccumulationSteps);
        StageChecks.measuring(scheduler, validateEvery, keepBest, plateauPatience, plateauFactor);
        StageChecks.require(r >= 1, "r", "1 or more", r);
        boolean positive = loraAlpha > 0 && Double.isFinite(loraAlpha);
        StageChecks.require(positive, "lora_alpha", "a number above 0", loraAlpha);
        boolean part = loraDropout >= 0 && loraDropout < 1;
        StageChecks.require(part, "lora_dropout", "a number from 0 to under 1", loraDropout);
        boolean distinct =
                !targetModules.isEmpty()
                        && Set.copyOf(targetModules).size() == targetModules.size();
        StageChecks.require(
                distinct, "target_modules", "one or more names, none twice", targetModules);
    }
}
