package dev.tegu.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.DType;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Random Llamas of a few thousand weights, for tests that must not depend on files. */
public final class TinyModels {
    /** Length of {@link #logits}' text. */
    public static final int TOKENS = 24;

    private TinyModels() {}

    /**
     * A config.json with grouped heads and biases in the attention, as transformers 5 writes it.
     */
    public static ObjectNode config(boolean tiesEmbeddings) throws IOException {
        JsonNode json =
                new ObjectMapper()
                        .readTree(
                                """
                                {
                                  "architectures": ["LlamaForCausalLM"],
                                  "attention_bias": true,
                                  "dtype": "float32",
                                  "hidden_act": "silu",
                                  "hidden_size": 16,
                                  "intermediate_size": 24,
                                  "max_position_embeddings": 64,
                                  "model_type": "llama",
                                  "num_attention_heads": 4,
                                  "num_hidden_layers": 3,
                                  "num_key_value_heads": 2,
                                  "rms_norm_eps": 1e-05,
                                  "rope_theta": 10000.0,
                                  "vocab_size": 40
                                }
                                """);
        return ((ObjectNode) json).put("tie_word_embeddings", tiesEmbeddings);
    }

    /** A model whose attention matters: weights of 0.4 instead of 0.02. */
    public static DecoderModel random(ObjectNode config, long seed) throws IOException {
        DecoderModel model =
                DecoderModel.random(ModelConfig.parse(config, "config.json"), Device.cpu(), seed);
        model.layers().forEach(layer -> layer.weights().values().forEach(TinyModels::enlarge));
        enlarge(model.ends().get(0));
        if (!model.config().tiesEmbeddings()) {
            enlarge(model.ends().get(2));
        }
        return model;
    }

    private static void enlarge(NDArray weight) {
        if (weight.getShape().dimension() == 2) {
            weight.muli(20);
        }
    }

    /** Writes a teacher with tokenizer files and generation settings of a few bytes. */
    public static Path teacher(Path dir, boolean tiesEmbeddings, DType dtype) throws IOException {
        Path tokenizer = Files.createDirectories(dir.resolveSibling("tokenizer"));
        Files.writeString(tokenizer.resolve("tokenizer.json"), "{ }\n");
        Files.writeString(tokenizer.resolve("merges.txt"), "a b\r\n");
        ObjectNode config = config(tiesEmbeddings);
        try (DecoderModel model = random(config, 1)) {
            ModelWriter.of(model, config, dtype)
                    .tokenizer(tokenizer)
                    .extra(
                            directory ->
                                    Files.writeString(
                                            directory.path("generation_config.json"),
                                            "{\"eos_token_id\": 2}"))
                    .write(dir);
        }
        return dir;
    }

    /** A spec from one line of YAML. */
    public static AttentionSpec spec(String yaml) {
        return ConfigBinder.bind(ConfigNode.parse(yaml, "test"), AttentionSpec.class);
    }

    /** Logits of every position of two fixed texts of {@link #TOKENS} tokens. */
    public static float[] logits(DecoderModel model) {
        long[] ids = new long[2 * TOKENS];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (7L * i * i + 3L * i) % model.vocabSize();
        }
        try (NDManager scope = model.manager().newSubManager()) {
            return model.logits(model.forward(scope.create(ids, new Shape(2, TOKENS))))
                    .toFloatArray();
        }
    }

    /** The same of a directory without adapters. */
    public static float[] logits(Path dir) throws IOException {
        try (DecoderModel model = DecoderModel.load(dir, Device.cpu())) {
            return logits(model);
        }
    }

    /** The largest difference of two arrays of one length. */
    public static double distance(float[] a, float[] b) {
        if (a.length != b.length) {
            throw new IllegalArgumentException(a.length + " and " + b.length + " values");
        }
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            double off = Math.abs((double) a[i] - b[i]);
            largest = off > largest || Double.isNaN(off) ? off : largest;
        }
        return largest;
    }

    /** Moves every new parameter of a model off its start value, by at most 0.3. */
    public static void disturb(DecoderModel model) {
        for (int i = 0; i < model.layers().size(); i++) {
            for (Map.Entry<String, NDArray> p : model.layers().get(i).parameters().entrySet()) {
                add(p.getValue(), 0.3, i + p.getKey().hashCode());
            }
        }
    }

    /** Adds waves of the given height to an array, in place. */
    public static void add(NDArray array, double height, int phase) {
        float[] values = new float[Math.toIntExact(array.size())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (height * Math.sin((double) i + phase));
        }
        try (NDArray change = array.getManager().create(values, array.getShape())) {
            array.addi(change);
        }
    }
}
