package dev.tegu.model;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.Default;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A model family as data: what its tensors are called. The next family that fits the same decoder
 * is a file beside {@code architectures/llama.json} and its name in {@link #NAMES}.
 *
 * @param modelType {@code model_type} of config.json
 * @param embedTokens name of the token embedding
 * @param norm name of the final norm's weight
 * @param lmHead name of the output head, absent from files with tied embeddings
 * @param layer prefix of a layer's tensors, with {@code {layer}} for its number
 * @param attention prefix, within a layer, of the attention's tensors; new parameters go there too
 * @param norms role to name within the layer
 * @param linears role to name and bias rule
 */
public record Architecture(
        String modelType,
        String embedTokens,
        String norm,
        String lmHead,
        String layer,
        String attention,
        Map<String, String> norms,
        Map<String, Linear> linears) {

    /** The families that have a file. */
    public static final List<String> NAMES = List.of("llama");

    /**
     * One linear map of a layer.
     *
     * @param name its name within the layer, without {@code .weight}
     * @param bias {@code never}, {@code always}, or the config.json key that decides
     */
    public record Linear(String name, @Default("never") String bias) {}

    /**
     * @param modelType {@code model_type} of config.json
     * @return the family's data, or empty if it has no file
     */
    public static Optional<Architecture> find(String modelType) {
        if (!NAMES.contains(modelType)) {
            return Optional.empty();
        }
        String resource = "architectures/" + modelType + ".json";
        try (InputStream in = Architecture.class.getResourceAsStream(resource)) {
            String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            return Optional.of(
                    ConfigBinder.bind(ConfigNode.parse(text, resource), Architecture.class));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Prefix of one layer's tensors, for example {@code model.layers.7.}. */
    public String layerPrefix(int index) {
        return layer.replace("{layer}", String.valueOf(index));
    }

    /** Prefix of one layer's attention tensors, for example {@code model.layers.7.self_attn.}. */
    public String attentionPrefix(int index) {
        return layerPrefix(index) + attention;
    }
}
