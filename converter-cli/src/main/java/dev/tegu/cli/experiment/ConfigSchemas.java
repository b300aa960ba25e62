package dev.tegu.cli.experiment;

import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.cli.pretrain.PretrainConfig;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.JsonSchema;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The texts that can be checked by an editor, each with the schema of what may stand in it. */
public enum ConfigSchemas {
    EXPERIMENT(ExperimentConfig.class, "Experiment of Tegu"),
    PRETRAIN(PretrainConfig.class, "Pretraining of Tegu");

    /** The first sentence of each key's documentation; a test holds the two together. */
    static final String DESCRIPTIONS = "keys.yaml";

    private final Class<? extends Record> type;
    private final String title;

    ConfigSchemas(Class<? extends Record> type, String title) {
        this.type = type;
        this.title = title;
    }

    /** The record that the text is bound to. */
    Class<? extends Record> type() {
        return type;
    }

    /** The schema as plain values that JSON libraries write. */
    public Map<String, Object> schema() {
        Map<String, Object> preset = Map.of("enum", AttentionPresets.NAMES);
        Map<String, Object> file = Map.of("type", "string");
        return new JsonSchema(
                        descriptions(),
                        Map.of(
                                "ExperimentConfig.method",
                                List.of(preset, file, AttentionSpec.class),
                                "ExperimentConfig.method_overrides",
                                List.of(AttentionSpec.class)))
                .of(type, title);
    }

    private static Map<String, String> descriptions() {
        try (InputStream in = ConfigSchemas.class.getResourceAsStream(DESCRIPTIONS)) {
            String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            Map<String, String> descriptions = new LinkedHashMap<>();
            ConfigNode.parse(text, DESCRIPTIONS)
                    .entries()
                    .forEach((key, entry) -> descriptions.put(key, entry.value().text()));
            return descriptions;
        } catch (IOException e) {
            throw new UncheckedIOException(DESCRIPTIONS, e);
        }
    }
}
