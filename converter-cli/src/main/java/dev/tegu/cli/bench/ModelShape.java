package dev.tegu.cli.bench;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.cli.InputException;
import dev.tegu.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Sizes of a model to measure, as a {@code config.json} without a model: its weights are random.
 */
public final class ModelShape {
    private static final JsonMapper JSON = new JsonMapper();

    /** Shapes that have a name. */
    private static final Map<String, String> NAMED = new LinkedHashMap<>();

    static {
        NAMED.put(
                "llama-3.2-1b",
                """
                {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
                 "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64,
                 "vocab_size": 128256, "max_position_embeddings": 131072, "rope_theta": 500000}
                """);
        NAMED.put(
                "teacher-14m",
                """
                {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 8,
                 "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 64,
                 "vocab_size": 4096, "max_position_embeddings": 2048, "rope_theta": 10000}
                """);
        NAMED.put(
                "tiny",
                """
                {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,
                 "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
                 "vocab_size": 1024, "max_position_embeddings": 2048, "rope_theta": 10000}
                """);
    }

    private ModelShape() {}

    /** Names that {@link #named} knows. */
    public static String names() {
        return String.join(", ", NAMED.keySet());
    }

    /**
     * @param name one of {@link #names}
     * @throws InputException if there is no such shape
     */
    public static ObjectNode named(String name) {
        if (!NAMED.containsKey(name)) {
            throw new InputException("--shape `" + name + "`: not known; known are " + names());
        }
        ObjectNode config = parse(NAMED.get(name));
        config.put("model_type", "llama")
                .put("rms_norm_eps", 1e-5)
                .put("tie_word_embeddings", true);
        return config;
    }

    /**
     * The shape of a model on disk, of a student its teacher's.
     *
     * @param dir with a {@code config.json}
     */
    public static ObjectNode of(Path dir) throws IOException {
        ObjectNode config = parse(Files.readString(dir.resolve("config.json")));
        if (config.remove(ModelConfig.LINEAR_ATTENTION) instanceof ObjectNode student) {
            config.set("model_type", student.get("base_model_type"));
        }
        return config;
    }

    /**
     * Changes sizes.
     *
     * @param sizes by the keys of {@code config.json}
     * @throws InputException if a value is no number
     */
    public static void change(ObjectNode config, Map<String, String> sizes) {
        sizes.forEach(
                (key, value) -> {
                    if (!config.path(key).isNumber()) {
                        throw new InputException(
                                "--set " + key + ": not a size of this shape's config.json");
                    }
                    if (!value.matches("[0-9]{1,9}")) {
                        throw new InputException(
                                "--set " + key + ": expected a whole number, found " + value);
                    }
                    config.put(key, Integer.parseInt(value));
                });
    }

    private static ObjectNode parse(String text) {
        try {
            if (JSON.readTree(text) instanceof ObjectNode object) {
                return object;
            }
        } catch (IOException e) {
            throw new InputException("config.json: " + e.getMessage(), e);
        }
        throw new InputException("config.json: expected an object");
    }
}
