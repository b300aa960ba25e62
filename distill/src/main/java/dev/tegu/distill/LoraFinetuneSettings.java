package dev.tegu.distill;

import dev.tegu.config.Default;
import dev.tegu.config.Flat;
import dev.tegu.config.InvalidValueException;
import dev.tegu.lora.LoraSettings;
import dev.tegu.model.TokenLosses;
import java.util.List;
import java.util.Set;

/**
 * The block {@code lora_finetune}: low-rank adapters, or whatever else is named, repair what the
 * new attention cannot do.
 *
 * @param training how much is read, and how the steps are taken
 * @param trains kinds of parameters that are trained, see {@link ParameterKind}; all others are
 *     frozen. {@code weight} is full fine-tuning, without adapters. At least one, none twice
 * @param r rank of the adapters, at least 1
 * @param loraAlpha scale: an adapter adds {@code (lora_alpha / r) B A}; above 0
 * @param loraDropout part of an adapter's inputs that is dropped while training, 0 to under 1
 * @param targetModules projections that get an adapter, at least one, none twice
 * @param layersToTransform layers that get adapters, none twice; empty: all
 * @param ceWeight factor of the cross-entropy with the text's tokens, 0 or more
 * @param klWeight factor of the divergence from the teacher's predictions, 0 or more; not both 0
 * @param klTemperature that the logits are divided by for the divergence, above 0
 * @param gradientCheckpointing whether only the layers' inputs are kept for the backward pass,
 *     which computes each layer a second time
 * @param windowDropout probabilities that a layer's window is left out in a step, over equal parts
 *     of the stage, each 0 to 1; empty: never
 */
public record LoraFinetuneSettings(
        @Flat TrainingSettings training,
        @Default("[lora]") List<String> trains,
        @Default("8") int r,
        @Default("16.0") double loraAlpha,
        @Default("0.0") double loraDropout,
        @Default("[q_proj, k_proj, v_proj, o_proj]") List<String> targetModules,
        @Default("[]") List<Integer> layersToTransform,
        @Default("1.0") double ceWeight,
        @Default("0.0") double klWeight,
        @Default("1.0") double klTemperature,
        @Default("false") boolean gradientCheckpointing,
        @Default("[]") List<Double> windowDropout) {

    private static final String LORA = ParameterKind.LORA.word();

    /**
     * @throws InvalidValueException if a value is outside its range, or two do not fit each other
     */
    public LoraFinetuneSettings {
        trains = List.copyOf(trains);
        targetModules = List.copyOf(targetModules);
        layersToTransform = List.copyOf(layersToTransform);
        windowDropout = List.copyOf(windowDropout);
        trains.forEach(word -> ParameterKind.named(word, "trains"));
        Checks.require(isSet(trains), "trains", "one or more kinds, none twice", trains);
        Checks.require(r >= 1, "r", "1 or more", r);
        Checks.positive("lora_alpha", loraAlpha);
        boolean part = loraDropout >= 0 && loraDropout < 1;
        Checks.require(part, "lora_dropout", "a number from 0 to under 1", loraDropout);
        Checks.require(
                isSet(targetModules),
                "target_modules",
                "one or more names, none twice",
                targetModules);
        new LoraSettings(r, loraAlpha, targetModules, layersToTransform);
        Checks.notNegative("ce_weight", ceWeight);
        Checks.notNegative("kl_weight", klWeight);
        Checks.positive("kl_temperature", klTemperature);
        WindowDropout.checkRange(windowDropout);
        if (ceWeight == 0 && klWeight == 0) {
            throw new InvalidValueException(
                    "ce_weight", "`ce_weight` and `kl_weight` are both 0: there is no loss");
        }
        boolean weights = trains.contains(ParameterKind.WEIGHT.word());
        if (weights && trains.contains(LORA)) {
            throw new InvalidValueException(
                    "trains",
                    "`weight` trains what adapters would be added to; name `weight` or `lora`");
        }
        if (weights && klWeight > 0) {
            throw new InvalidValueException(
                    "kl_weight",
                    "the teacher's weights are those that `trains: [weight]` changes; set"
                            + " `kl_weight: 0`, or train `lora`");
        }
        if (!trains.contains(LORA)) {
            refuseWithoutAdapters("lora_dropout", loraDropout > 0);
            refuseWithoutAdapters("layers_to_transform", !layersToTransform.isEmpty());
        }
    }

    private static boolean isSet(List<String> words) {
        return !words.isEmpty() && Set.copyOf(words).size() == words.size();
    }

    private static void refuseWithoutAdapters(String key, boolean isGiven) {
        if (isGiven) {
            throw new InvalidValueException(
                    key, "it is about adapters, and `trains` does not name `lora`");
        }
    }

    /** Whether the stage makes adapters. */
    public boolean trainsAdapters() {
        return trains.contains(LORA);
    }

    /** Whether the stage changes the pretrained model's weights. */
    public boolean trainsWeights() {
        return trains.contains(ParameterKind.WEIGHT.word());
    }

    /** What the adapters are like. */
    public LoraSettings adapters() {
        return new LoraSettings(r, loraAlpha, targetModules, layersToTransform);
    }

    /** What the loss is made of. */
    TokenLosses.Factors factors() {
        return new TokenLosses.Factors(ceWeight, klWeight, klTemperature);
    }
}
