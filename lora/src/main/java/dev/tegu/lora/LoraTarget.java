package dev.tegu.lora;

import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * One linear map that has an adapter.
 *
 * @param layer number of the layer
 * @param role the map's role in the layer, for example {@code q_proj}
 * @param weight its weight in the checkpoint
 * @param in width of its input
 * @param out width of its output
 */
record LoraTarget(int layer, String role, ModelLayout.Entry weight, long in, long out) {
    private static final String WEIGHT = ".weight";

    /**
     * Every target of a model, by layer and then in the order of the layer's linear maps.
     *
     * @throws dev.tegu.config.InvalidValueException if the settings name a layer that the model
     *     does not have
     */
    static List<LoraTarget> of(ModelConfig model, LoraSettings settings) {
        settings.checkLayers(model.numLayers());
        ModelLayout layout = new ModelLayout(model);
        List<LoraTarget> targets = new ArrayList<>();
        for (int layer = 0; layer < model.numLayers(); layer++) {
            if (!settings.transforms(layer)) {
                continue;
            }
            for (ModelLayout.Entry entry : layout.layer(layer)) {
                String role = entry.role().replace(WEIGHT, "");
                if (entry.role().endsWith(WEIGHT) && settings.targetModules().contains(role)) {
                    List<Long> shape = entry.shape();
                    targets.add(new LoraTarget(layer, role, entry, shape.get(1), shape.get(0)));
                }
            }
        }
        return targets;
    }

    /** Name of A, [r, in], in PEFT's file. */
    String nameOfA() {
        return peftName("lora_A");
    }

    /** Name of B, [out, r], in PEFT's file. */
    String nameOfB() {
        return peftName("lora_B");
    }

    /**
     * PEFT wraps the model twice, in {@code base_model} and in {@code model}. Maps that share a
     * stored module are told apart by their roles behind its name.
     */
    private String peftName(String part) {
        String name = weight.name();
        String module = name.substring(0, name.length() - WEIGHT.length());
        if (weight.sharesStorage()) {
            module += "." + role;
        }
        return "base_model.model." + module + "." + part + WEIGHT;
    }

    List<Long> shapeOfA(LoraSettings settings) {
        return List.of((long) settings.r(), in);
    }

    List<Long> shapeOfB(LoraSettings settings) {
        return List.of(out, (long) settings.r());
    }
}
