package dev.tegu.lora;

import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelLayout;
import dev.tegu.model.StoredPart;
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
     * @throws dev.tegu.config.InvalidValueException if the settings name a layer or a map that the
     *     model does not have
     */
    static List<LoraTarget> of(ModelConfig model, LoraSettings settings) {
        settings.check(model);
        List<String> roles = settings.roles(model);
        ModelLayout layout = new ModelLayout(model);
        List<LoraTarget> targets = new ArrayList<>();
        for (int layer = 0; layer < model.numLayers(); layer++) {
            if (!settings.transforms(layer)) {
                continue;
            }
            for (ModelLayout.Entry entry : layout.layer(layer)) {
                String role = entry.role().replace(WEIGHT, "");
                if (entry.role().endsWith(WEIGHT) && roles.contains(role)) {
                    List<Long> shape = entry.shape();
                    targets.add(new LoraTarget(layer, role, entry, shape.get(1), shape.get(0)));
                }
            }
        }
        return targets;
    }

    /** The checkpoint's name of the stored map, without {@code .weight}. */
    String module() {
        return weight.name().substring(0, weight.name().length() - WEIGHT.length());
    }

    /** How many rows the stored map has, those of other roles among them. */
    long storedRows() {
        List<Long> stored = weight.storedShape();
        boolean isTransposed = weight.part().map(StoredPart::transposed).orElse(false);
        return stored.get(isTransposed ? 1 : 0);
    }

    /** Where among them a row of this map is. */
    int storedRow(long row) {
        return Math.toIntExact(weight.part().map(part -> part.at(row)).orElse(row));
    }

    /**
     * Name of A, [r, in]: that of PEFT's file, but for maps that share a stored one; these are told
     * apart by their roles.
     */
    String nameOfA() {
        return peftName("lora_A");
    }

    /** Name of B, [out, r], likewise. */
    String nameOfB() {
        return peftName("lora_B");
    }

    private String peftName(String part) {
        return peftName(weight.sharesStorage() ? module() + "." + role : module(), part);
    }

    /** PEFT wraps the model twice, in {@code base_model} and in {@code model}. */
    static String peftName(String module, String part) {
        return "base_model.model." + module + "." + part + WEIGHT;
    }

    List<Long> shapeOfA(LoraSettings settings) {
        return List.of((long) settings.r(), in);
    }

    List<Long> shapeOfB(LoraSettings settings) {
        return List.of(out, (long) settings.r());
    }
}
