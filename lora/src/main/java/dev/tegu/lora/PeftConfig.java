package dev.tegu.lora;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.config.InvalidValueException;
import dev.tegu.model.ModelConfig;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * PEFT's {@code adapter_config.json}.
 *
 * @param settings rank, scale, layers, and the stored maps by names that PEFT finds them by
 * @param rankPattern rank of maps that have another one, by name; the first name that fits counts
 * @param alphaPattern {@code lora_alpha} of maps that have another one, likewise
 * @param fanInFanOut whether there are maps that are stored as [in, out]; PEFT asks each map itself
 */
record PeftConfig(
        LoraSettings settings,
        Map<String, Integer> rankPattern,
        Map<String, Double> alphaPattern,
        boolean fanInFanOut) {
    static final String FILE_NAME = "adapter_config.json";

    private static final String RANK_PATTERN = "rank_pattern";
    private static final String ALPHA_PATTERN = "alpha_pattern";

    /** Keys that change what an adapter computes, and the one value that Tegu computes. */
    private static final Map<String, String> EXPECTED =
            Map.of(
                    "bias", "none",
                    "peft_type", "LORA",
                    "use_dora", "false",
                    "use_rslora", "false");

    /** Keys that change it whenever they hold anything. */
    private static final List<String> EMPTY =
            List.of(
                    "exclude_modules",
                    "layer_replication",
                    "layers_pattern",
                    "modules_to_save",
                    "target_parameters",
                    "trainable_token_indices");

    PeftConfig {
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
        alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
    }

    /**
     * What PEFT is to be told of adapters by role. A map that stores several roles has the sum of
     * their ranks, and as much more alpha, so that the scale is that of each role.
     *
     * @param ranks rank of each target
     */
    static PeftConfig of(ModelConfig model, LoraSettings settings, Map<LoraTarget, Integer> ranks) {
        Map<String, Integer> rankPattern = new TreeMap<>();
        Map<String, Double> alphaPattern = new TreeMap<>();
        boolean fanInFanOut = false;
        for (PeftModule module : PeftModule.of(List.copyOf(ranks.keySet()))) {
            int rank = module.targets().stream().mapToInt(ranks::get).sum();
            if (rank != settings.r()) {
                rankPattern.put(module.shortName(model), rank);
                alphaPattern.put(module.shortName(model), settings.scale() * rank);
            }
            fanInFanOut |= module.isTransposed();
        }
        List<String> names =
                settings.roles(model).stream()
                        .map(role -> TargetModules.peftName(model.architecture(), role))
                        .distinct()
                        .toList();
        LoraSettings stored =
                new LoraSettings(
                        settings.r(), settings.loraAlpha(), names, settings.layersToTransform());
        return new PeftConfig(stored, rankPattern, alphaPattern, fanInFanOut);
    }

    /** The same of adapters that all have the rank of the settings. */
    static PeftConfig of(ModelConfig model, LoraSettings settings) {
        Map<LoraTarget, Integer> ranks = new LinkedHashMap<>();
        LoraTarget.of(model, settings).forEach(target -> ranks.put(target, settings.r()));
        return of(model, settings, ranks);
    }

    /** Rank of the adapter of a stored map. */
    int rank(PeftModule module) {
        return first(rankPattern, module).orElse(settings.r());
    }

    /** The factor before B A x of the adapter of a stored map. */
    double scale(PeftModule module) {
        return first(alphaPattern, module).orElse(settings.loraAlpha()) / rank(module);
    }

    private static <T> Optional<T> first(Map<String, T> pattern, PeftModule module) {
        return pattern.entrySet().stream()
                .filter(entry -> names(entry.getKey(), module.name()))
                .map(Map.Entry::getValue)
                .findFirst();
    }

    /** Whether PEFT takes a name for that of a map: the whole of it, or its end after a dot. */
    static boolean names(String name, String module) {
        return module.equals(name) || module.endsWith("." + name);
    }

    /**
     * @param baseModel where PEFT finds the model that the adapters belong to
     */
    ObjectNode write(String baseModel) {
        ObjectNode json = StrictJson.object();
        ObjectNode alphas = json.putObject(ALPHA_PATTERN);
        alphaPattern.forEach((name, alpha) -> putNumber(alphas, name, alpha));
        json.putNull("auto_mapping");
        json.put("base_model_name_or_path", baseModel);
        json.put("bias", "none");
        json.put("fan_in_fan_out", fanInFanOut);
        json.put("inference_mode", true);
        json.put("init_lora_weights", true);
        json.putNull("layers_pattern");
        if (settings.layersToTransform().isEmpty()) {
            json.putNull("layers_to_transform");
        } else {
            ArrayNode layers = json.putArray("layers_to_transform");
            settings.layersToTransform().forEach(layers::add);
        }
        putNumber(json, "lora_alpha", settings.loraAlpha());
        json.put("lora_dropout", 0.0);
        json.putNull("modules_to_save");
        json.put("peft_type", "LORA");
        json.put("r", settings.r());
        ObjectNode ranks = json.putObject(RANK_PATTERN);
        rankPattern.forEach(ranks::put);
        json.putNull("revision");
        ArrayNode modules = json.putArray("target_modules");
        settings.targetModules().forEach(modules::add);
        json.put("task_type", "CAUSAL_LM");
        json.put("use_dora", false);
        json.put("use_rslora", false);
        return json;
    }

    /** PEFT declares alphas as integers. */
    private static void putNumber(ObjectNode json, String key, double value) {
        if (value == Math.rint(value) && value < Integer.MAX_VALUE) {
            json.put(key, (int) value);
        } else {
            json.put(key, value);
        }
    }

    /**
     * @param source name of the file, for messages
     * @throws CheckpointException naming every key whose value Tegu cannot honour
     */
    static PeftConfig read(ObjectNode json, String source) {
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
        Map<String, Integer> ranks = new LinkedHashMap<>();
        Map<String, Double> alphas = new LinkedHashMap<>();
        pattern(json, RANK_PATTERN, JsonNode::isInt, faults)
                .forEach((name, value) -> ranks.put(name, value.intValue()));
        pattern(json, ALPHA_PATTERN, JsonNode::isNumber, faults)
                .forEach((name, value) -> alphas.put(name, value.doubleValue()));
        if (!faults.isEmpty()) {
            faults.sort(null);
            throw new CheckpointException(
                    source + ": not an adapter that Tegu can apply: " + String.join("; ", faults));
        }
        try {
            LoraSettings settings =
                    new LoraSettings(
                            json.get("r").intValue(),
                            json.get("lora_alpha").doubleValue(),
                            modules,
                            layers);
            boolean fanInFanOut = json.path("fan_in_fan_out").asBoolean(false);
            return new PeftConfig(settings, ranks, alphas, fanInFanOut);
        } catch (InvalidValueException e) {
            throw new CheckpointException(source + ": `" + e.key() + "`: " + e.getMessage(), e);
        }
    }

    /** PEFT takes the names for regular expressions; those that are more than names are refused. */
    private static Map<String, JsonNode> pattern(
            ObjectNode json, String key, Predicate<JsonNode> isFit, List<String> faults) {
        Map<String, JsonNode> pattern = new LinkedHashMap<>();
        JsonNode found = json.path(key);
        if (!isNothing(found) && !found.isObject()) {
            faults.add("`" + key + "` is " + found + ", not a map of names");
        }
        found.properties().forEach(e -> pattern.put(e.getKey(), e.getValue()));
        pattern.forEach(
                (name, value) -> {
                    if (!name.matches("[A-Za-z0-9_.]+")) {
                        faults.add(
                                "`" + key + "` has the name `" + name + "`, only plain ones work");
                    } else if (!isFit.test(value) || !(value.doubleValue() > 0)) {
                        faults.add(
                                "`"
                                        + key
                                        + "` of `"
                                        + name
                                        + "` is "
                                        + value
                                        + ", not a"
                                        + (key.equals(RANK_PATTERN) ? " whole" : "")
                                        + " number above 0");
                    }
                });
        return pattern;
    }

    private static boolean isNothing(JsonNode value) {
        return value.isMissingNode() || value.isNull();
    }
}
