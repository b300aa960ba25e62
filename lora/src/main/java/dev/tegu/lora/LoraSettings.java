package dev.tegu.lora;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.model.ModelConfig;
import java.util.List;
import java.util.Set;

/**
 * Which linear maps get an adapter and how wide it is, by PEFT's names: y = Wx + (lora_alpha / r) B
 * A x.
 *
 * @param r rank of the adapters, at least 1
 * @param loraAlpha scale before the division by r, above 0
 * @param targetModules linear maps that get an adapter, by role or by the family's own name, see
 *     {@link TargetModules}; at least one, none twice
 * @param layersToTransform numbers of the layers that get adapters, none twice; empty: all
 * @see <a href="https://arxiv.org/abs/2106.09685">LoRA, section 4.1</a>
 */
public record LoraSettings(
        @Default("8") int r,
        @Default("16.0") double loraAlpha,
        @Default("[q_proj, k_proj, v_proj, o_proj]") List<String> targetModules,
        @Default("[]") List<Integer> layersToTransform) {

    /** Adapters in every layer. */
    public LoraSettings(int r, double loraAlpha, List<String> targetModules) {
        this(r, loraAlpha, targetModules, List.of());
    }

    /** Refuses values out of range and unknown modules. */
    public LoraSettings {
        targetModules = List.copyOf(targetModules);
        layersToTransform = List.copyOf(layersToTransform);
        if (r < 1) {
            throw new InvalidValueException("r", "must be at least 1, found " + r);
        }
        if (!(loraAlpha > 0) || Double.isInfinite(loraAlpha)) {
            throw new InvalidValueException("lora_alpha", "must be above 0, found " + loraAlpha);
        }
        for (String module : targetModules) {
            TargetModules.check(module);
        }
        if (targetModules.isEmpty() || Set.copyOf(targetModules).size() < targetModules.size()) {
            throw new InvalidValueException(
                    "target_modules", "must be one or more names, none twice: " + targetModules);
        }
        if (layersToTransform.stream().anyMatch(layer -> layer < 0)
                || Set.copyOf(layersToTransform).size() < layersToTransform.size()) {
            throw new InvalidValueException(
                    "layers_to_transform",
                    "must be numbers of layers, 0 or more, none twice: " + layersToTransform);
        }
    }

    /**
     * Refuses layers and linear maps that a model does not have.
     *
     * @throws InvalidValueException at {@code layers_to_transform} or {@code target_modules}
     */
    public void check(ModelConfig model) {
        for (int layer : layersToTransform) {
            if (layer >= model.numLayers()) {
                throw new InvalidValueException(
                        "layers_to_transform",
                        "the model has no layer "
                                + layer
                                + ", its layers are 0 to "
                                + (model.numLayers() - 1));
            }
        }
        roles(model);
    }

    /** The roles of the linear maps that get an adapter, in the order in which they are named. */
    List<String> roles(ModelConfig model) {
        return TargetModules.roles(model.architecture(), targetModules);
    }

    boolean transforms(int layer) {
        return layersToTransform.isEmpty() || layersToTransform.contains(layer);
    }

    /** The factor before B A x. */
    public double scale() {
        return loraAlpha / r;
    }
}
