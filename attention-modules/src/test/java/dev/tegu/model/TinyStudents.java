package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Tiny students of every method, and batches for them. */
final class TinyStudents {
    /** The methods that differ in how they see other tokens, and the teacher itself. */
    static final List<String> METHODS =
            List.of(
                    "teacher",
                    "hedgehog",
                    "lolcats",
                    "lolcats-terrace",
                    "lizard",
                    "liger",
                    "gla",
                    "window-sinks",
                    "no-attention");

    static final int WINDOW = 4;

    private TinyStudents() {}

    /** A preset with windows of {@link #WINDOW} tokens, or a spec in YAML. */
    static AttentionSpec spec(String method) {
        if (method.startsWith("{")) {
            return TinyModels.spec(method);
        }
        ConfigNode node = AttentionPresets.node(method);
        if (AttentionPresets.spec(method).window().size() > 0) {
            node = node.with("window.size", String.valueOf(WINDOW), "test");
        }
        return ConfigBinder.bind(node, AttentionSpec.class);
    }

    /** A random model, its new parameters moved off their start. */
    static DecoderModel of(String method) throws IOException {
        return of(method, TinyModels.config(false));
    }

    /** config.json of a student. */
    static ObjectNode config(String method) throws IOException {
        return StudentConfig.of(TinyModels.config(false), "config.json", spec(method));
    }

    static DecoderModel of(String method, ObjectNode teacher) throws IOException {
        ObjectNode config =
                method.equals("teacher")
                        ? teacher
                        : StudentConfig.of(teacher, "config.json", spec(method));
        DecoderModel model = TinyModels.random(config, 7);
        TinyModels.disturb(model);
        return model;
    }

    /** Token ids that repeat nothing for long. */
    static int[] text(int length, int seed) {
        int[] ids = new int[length];
        for (int i = 0; i < length; i++) {
            ids[i] = (7 * i * i + (3 + seed) * i + 11 * seed) % 40;
        }
        return ids;
    }

    /** Rows of equal length in which -1 is padding. */
    static TokenBatch batch(NDManager owner, int[]... rows) {
        Shape shape = new Shape(rows.length, rows[0].length);
        long[] ids = Arrays.stream(rows).flatMapToInt(Arrays::stream).asLongStream().toArray();
        boolean isPadded = Arrays.stream(ids).anyMatch(id -> id < 0);
        long[] mask = Arrays.stream(ids).map(id -> id < 0 ? 0 : 1).toArray();
        return new TokenBatch(
                // what stands under padding must not matter
                owner.create(Arrays.stream(ids).map(id -> id < 0 ? 5 : id).toArray(), shape),
                isPadded ? Optional.of(owner.create(mask, shape)) : Optional.empty(),
                Optional.empty());
    }

    /** Logits of every real token of one row of a batch. */
    static float[] logits(DecoderModel model, NDArray hidden, int row, int... positions) {
        NDArray all = model.logits(hidden);
        int vocabulary = model.vocabSize();
        float[] flat = all.toFloatArray();
        int width = (int) all.getShape().get(1);
        float[] out = new float[positions.length * vocabulary];
        for (int i = 0; i < positions.length; i++) {
            int from = (row * width + positions[i]) * vocabulary;
            System.arraycopy(flat, from, out, i * vocabulary, vocabulary);
        }
        return out;
    }

    /** Logits of a text by itself, in one pass without a state. */
    static float[] alone(DecoderModel model, int[] text) {
        try (NDManager scope = model.manager().newSubManager()) {
            return model.logits(model.forward(batch(scope, text))).toFloatArray();
        }
    }

    /** Logits of the next tokens of a state's rows, all of them. */
    static float[] next(DecoderModel model, DecoderState state, int[]... rows) {
        try (NDManager scope = model.manager().newSubManager()) {
            return model.logits(model.forward(batch(scope, rows), state)).toFloatArray();
        }
    }

    /** Part of a text's logits: those of tokens {@code from..to-1}. */
    static float[] part(float[] logits, int from, int to) {
        return Arrays.copyOfRange(logits, from * 40, to * 40);
    }
}
