package dev.tegu.distill;

import dev.tegu.config.InvalidValueException;
import dev.tegu.config.Nearest;
import dev.tegu.model.Architecture;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/** What a trained parameter is for, by its name in the checkpoint. */
public enum ParameterKind {
    /** Weights and biases of the learned feature maps. */
    FEATURE_MAP,
    /** The gate's weights, biases and rates. */
    GATE,
    /** The window's share, before its sigmoid. */
    WINDOW_FACTOR,
    /** Learned logits of the window's denominator. */
    SINKS,
    /** Weight of the window's branch beside the linear one. */
    ALPHA,
    /** Norm behind the heads. */
    OUTPUT_NORM,
    /** Low-rank adapters. */
    LORA,
    /** Weights of the pretrained model. */
    WEIGHT;

    /** What families call the module in which a layer's new parameters stand. */
    private static final Set<String> ATTENTIONS =
            Architecture.NAMES.stream()
                    .map(name -> Architecture.find(name).orElseThrow().attention())
                    .map(prefix -> prefix.substring(0, prefix.length() - 1))
                    .collect(Collectors.toUnmodifiableSet());

    /**
     * @param parameter name in the checkpoint, for example {@code
     *     model.layers.3.self_attn.feature_map_q.weight}
     */
    public static ParameterKind of(String parameter) {
        String before = "";
        for (String part : parameter.split("\\.")) {
            if (part.startsWith("lora_")) {
                return LORA;
            }
            if (part.startsWith("feature_map_")) {
                return FEATURE_MAP;
            }
            // the router of a layer's experts is called gate, too, and stands in its MLP
            boolean isNew = before.isEmpty() || ATTENTIONS.contains(before);
            for (ParameterKind kind : List.of(GATE, WINDOW_FACTOR, SINKS, ALPHA, OUTPUT_NORM)) {
                if (isNew && part.equals(kind.word())) {
                    return kind;
                }
            }
            before = part;
        }
        return WEIGHT;
    }

    /** The kind as it stands in a configuration. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * @param key of the configuration that names the kind
     * @throws InvalidValueException at that key if there is no such kind
     */
    static ParameterKind named(String word, String key) {
        List<String> words = Arrays.stream(values()).map(ParameterKind::word).toList();
        if (!words.contains(word)) {
            throw new InvalidValueException(
                    key,
                    "no kind of parameter `"
                            + word
                            + "`"
                            + Nearest.hint(word, words)
                            + "; known: "
                            + String.join(", ", words));
        }
        return values()[words.indexOf(word)];
    }
}
