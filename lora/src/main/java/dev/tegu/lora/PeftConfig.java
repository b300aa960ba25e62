package dev.tegu.lora;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.config.InvalidValueException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** PEFT's {@code adapter_config.json}: keys sorted, as PEFT writes them. */
final class PeftConfig {
    static final String FILE_NAME = "adapter_config.json";

    /** Keys that change what an adapter computes, and the one value that Tegu computes. */
    private static final Map<String, String> EXPECTED =
            Map.of(
                    "bias", "none",
                    "fan_in_fan_out", "false",
                    "peft_type", "LORA",
                    "use_dora", "false",
                    "use_rslora", "false");

    /** Keys that change it whenever they hold anything. */
    private static final List<String> EMPTY =
            List.of(
                    "alpha_pattern",
                    "exclude_modules",
                    "layer_replication",
                    "layers_pattern",
                    "modules_to_save",
                    "rank_pattern",
                    "target_parameters",
                    "trainable_token_indices");

    private PeftConfig() {}

    /**
     * @param baseModel where PEFT finds the model that the adapters belong to
     */
    static ObjectNode write(LoraSettings settings, String baseModel) {
        ObjectNode json = StrictJson.object();
        json.putObject("alpha_pattern");
        json.putNull("auto_mapping");
        json.put("base_model_name_or_path", baseModel);
        json.put("bias", "none");
        json.put("fan_in_fan_out", false);
        json.put("inference_mode", true);
        json.put("init_lora_weights", true);
        json.putNull("layers_pattern");
        if (settings.layersToTransform().isEmpty()) {
            json.putNull("layers_to_transform");
        } else {
            ArrayNode layers = json.putArray("layers_to_transform");
            settings.layersToTransform().forEach(layers::add);
        }
        double alpha = settings.loraAlpha();
        if (alpha == Math.rint(alpha) && alpha < Integer.MAX_VALUE) {
            // PEFT declares it an integer.
            json.put("lora_alpha", (int) alpha);
        } else {
            json.put("lora_alpha", alpha);
        }
        json.put("lora_dropout", 0.0);
        json.putNull("modules_to_save");
        json.put("peft_type", "LORA");
        json.put("r", settings.r());
        json.putObject("rank_pattern");
        json.putNull("revision");
        ArrayNode modules = json.putArray("target_modules");
        settings.targetModules().forEach(modules::add);
        json.put("task_type", "CAUSAL_LM");
        json.put("use_dora", false);
        json.put("use_rslora", false);
        return json;
    }

    /**
     * @param source name of the file, for messages
     * @throws CheckpointException naming every key whose value Tegu cannot honour
     */
    static LoraSettings read(ObjectNode json, String source) {
        List<String> faults = new ArrayList<>();
        EXPECTED.forEach(
                (key, value) -> {
                    JsonNode found = json.path(key);
                    if (!isNothing(found) && !found.asText().equals(value)) {
                        faults.add("`" + key + "` is " + found + ", only `" + value + "` works");
                    }
                });
        for (String key : EMPTY) {
            JsonNode found = json.path(key);
            boolean isEmpty = found.isContainerNode() && found.isEmpty();
            if (!isNothing(found) && !isEmpty) {
                faults.add("`" + key + "` is " + found + ", only an empty one works");
            }
        }
        if (!json.path("r").isInt()) {
            faults.add("`r` is not a whole number");
        }
        if (!json.path("lora_alpha").isNumber()) {
            faults.add("`lora_alpha` is not a number");
        }
        List<String> modules = new ArrayList<>();
        json.path("target_modules").forEach(module -> modules.add(module.asText()));
        if (!json.path("target_modules").isArray()) {
            faults.add("`target_modules` is not a list of names");
        }
        List<Integer> layers = new ArrayList<>();
        JsonNode transformed = json.path("layers_to_transform");
        boolean isOne = !transformed.isArray() && !isNothing(transformed);
        // PEFT takes one number for a list of one
        for (JsonNode layer : isOne ? List.of(transformed) : transformed) {
            if (layer.isInt()) {
                layers.add(layer.intValue());
            } else {
                faults.add("`layers_to_transform` holds " + layer + ", no layer's number");
            }
        }
        if (!faults.isEmpty()) {
            faults.sort(null);
            throw new CheckpointException(
                    source + ": not an adapter that Tegu can apply: " + String.join("; ", faults));
        }
        try {
            return new LoraSettings(
                    json.get("r").intValue(),
                    json.get("lora_alpha").doubleValue(),
                    modules,
                    layers);
        } catch (InvalidValueException e) {
            throw new CheckpointException(source + ": `" + e.key() + "`: " + e.getMessage(), e);
        }
    }

    private static boolean isNothing(JsonNode value) {
        return value.isMissingNode() || value.isNull();
    }
}
