package dev.tegu.lora;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.config.Nearest;
import java.util.List;
import java.util.Set;

/**
 * Which linear maps get an adapter and how wide it is, by PEFT's names: y = Wx + (lora_alpha / r) B
 * A x.
 *
 * @param r rank of the adapters, at least 1
 * @param loraAlpha scale before the division by r, above 0
 * @param targetModules linear maps that get an adapter, in every layer; at least one, none twice
 * @see <a href="https://arxiv.org/abs/2106.09685">LoRA, section 4.1</a>
 */
public record LoraSettings(
        @Default("8") int r,
        @Default("16.0") double loraAlpha,
        @Default("[q_proj, k_proj, v_proj, o_proj]") List<String> targetModules) {

    /** The linear maps of a layer that can have an adapter. */
    public static final List<String> MODULES =
            List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

    /** Refuses values out of range and unknown modules. */
    public LoraSettings {
        targetModules = List.copyOf(targetModules);
        if (r < 1) {
            throw new InvalidValueException("r", "must be at least 1, found " + r);
        }
        if (!(loraAlpha > 0) || Double.isInfinite(loraAlpha)) {
            throw new InvalidValueException("lora_alpha", "must be above 0, found " + loraAlpha);
        }
        for (String module : targetModules) {
            if (!MODULES.contains(module)) {
                throw new InvalidValueException(
                        "target_modules",
                        "`"
                                + module
                                + "` is no linear map of a layer"
                                + Nearest.hint(module, MODULES)
                                + "; known: "
                                + String.join(", ", MODULES));
            }
        }
        if (targetModules.isEmpty() || Set.copyOf(targetModules).size() < targetModules.size()) {
            throw new InvalidValueException(
                    "target_modules", "must be one or more names, none twice: " + targetModules);
        }
    }

    /** The factor before B A x. */
    public double scale() {
        return loraAlpha / r;
    }
}
