package dev.tegu.distill;

import dev.tegu.config.Default;
import dev.tegu.config.Flat;
import dev.tegu.config.InvalidValueException;
import java.util.List;
import java.util.Set;

/**
 * The block {@code lora_finetune}: low-rank adapters repair what the new attention cannot do.
 *
 * @param training how much is read, and how the steps are taken
 * @param r rank of the adapters, at least 1
 * @param loraAlpha scale: an adapter adds {@code (lora_alpha / r) B A}; above 0
 * @param loraDropout part of an adapter's inputs that is dropped while training, 0 to under 1
 * @param targetModules projections that get an adapter, at least one, none twice
 */
public record LoraFinetuneSettings(
        @Flat TrainingSettings training,
        @Default("8") int r,
        @Default("16.0") double loraAlpha,
        @Default("0.0") double loraDropout,
        @Default("[q_proj, k_proj, v_proj, o_proj]") List<String> targetModules) {

    /**
     * @throws InvalidValueException if a value is outside its range
     */
    public LoraFinetuneSettings {
        targetModules = List.copyOf(targetModules);
        Checks.require(r >= 1, "r", "1 or more", r);
        Checks.positive("lora_alpha", loraAlpha);
        boolean part = loraDropout >= 0 && loraDropout < 1;
        Checks.require(part, "lora_dropout", "a number from 0 to under 1", loraDropout);
        boolean distinct =
                !targetModules.isEmpty()
                        && Set.copyOf(targetModules).size() == targetModules.size();
        Checks.require(distinct, "target_modules", "one or more names, none twice", targetModules);
    }
}
