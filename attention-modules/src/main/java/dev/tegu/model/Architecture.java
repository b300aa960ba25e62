package dev.tegu.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.Default;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A model family as data: what its tensors and its config.json's keys are called, and by which
 * switches its decoder differs from Llama's, whose value each switch has where the file is silent.
 * The next family that fits the same decoder is a file beside {@code architectures/llama.json} and
 * its name in {@link #NAMES}; docs/architectures.md says how.
 *
 * <p>A <i>rule</i> is {@code never}, {@code always}, or the key of config.json that decides.
 *
 * @param modelType {@code model_type} of config.json
 * @param keys canonical key (Llama's, {@code norm_eps} and {@code rotary_factor}) to this family's
 * @param defaults canonical key to what transformers takes where config.json lacks it; {@code
 *     4*hidden_size} is computed, and stands for null, too
 * @param embedTokens name of the token embedding
 * @param embedPositions name of the learned positions' embedding, if there is one
 * @param embedScale what embeddings are multiplied by
 * @param norm name of the final norm's weight
 * @param lmHead name of the output head, absent from files with tied embeddings
 * @param lmHeadBias rule of the head's bias
 * @param layer prefix of a layer's tensors, with {@code {layer}} for its number
 * @param attention prefix, within a layer, of the attention's tensors; new parameters go there too
 * @param normType which norm all norms are
 * @param norms role to name within the layer; a role that is absent is no norm, see decoder.py
 * @param qkNorm over what the norms of queries and keys go
 * @param parallelResidual rule: attention and MLP read the same residual stream
 * @param rope whether positions are rotated
 * @param mlp kind of the MLP
 * @param linears role to name, bias rule and storage
 * @param queryScale key of the number n where scores are divided by sqrt(n), not sqrt(head_dim)
 * @param attentionSoftcap key of the cap c of scores s: c tanh(s / c)
 * @param finalSoftcap key of that of the logits
 * @param slidingWindow key of how many tokens softmax attention sees
 * @param windowLayers which layers that holds for
 * @param ignored names of tensors that old files have and nothing reads; {@code *} stands for a
 *     layer's number
 * @param refused values of keys for which the decoder would not compute the model
 * @param notes what a conversion should say
 */
public record Architecture(
        String modelType,
        @Default("{}") Map<String, String> keys,
        @Default("{}") Map<String, ConfigNode> defaults,
        String embedTokens,
        Optional<String> embedPositions,
        @Default("none") EmbedScale embedScale,
        String norm,
        String lmHead,
        @Default("never") String lmHeadBias,
        String layer,
        String attention,
        @Default("rms") NormType normType,
        Map<String, String> norms,
        @Default("none") QkNorm qkNorm,
        @Default("never") String parallelResidual,
        @Default("half") Rope rope,
        @Default("gated") Mlp mlp,
        Map<String, Linear> linears,
        Optional<String> queryScale,
        Optional<String> attentionSoftcap,
        Optional<String> finalSoftcap,
        Optional<String> slidingWindow,
        @Default("all") WindowLayers windowLayers,
        @Default("[]") List<String> ignored,
        @Default("[]") List<Refusal> refused,
        @Default("[]") List<Note> notes) {

    /** The families that have a file. */
    public static final List<String> NAMES =
            List.of(
                    "llama",
                    "mistral",
                    "mixtral",
                    "qwen2",
                    "qwen3",
                    "gpt2",
                    "gpt_neox",
                    "phi",
                    "phi3",
                    "gemma2",
                    "olmo2");

    /** What embeddings are multiplied by. */
    public enum EmbedScale {
        NONE,
        /** sqrt(hidden_size), rounded to the weights' type. */
        SQRT_HIDDEN
    }

    /** Which norm. */
    public enum NormType {
        /** x / rms(x) in float32, rounded, times w. */
        RMS,
        /** x / rms(x) times 1 + w, rounded once. */
        RMS_PLUS_ONE,
        /** Layer norm with a bias. */
        LAYER
    }

    /** Over what queries and keys are normed, before they are rotated. */
    public enum QkNorm {
        NONE,
        /** Each head by itself. */
        HEAD,
        /** All heads at once. */
        WHOLE
    }

    /** How positions turn queries and keys. */
    public enum Rope {
        NONE,
        /**
         * The first {@code rotary_factor} of a head's dimensions, one half of them with the other.
         */
        HALF
    }

    /** The MLP. */
    public enum Mlp {
        /** down(act(gate(x)) up(x)). */
        GATED,
        /** fc2(act(fc1(x))). */
        PLAIN,
        /** The best few of several gated ones, weighted by a softmax over those few. */
        EXPERTS
    }

    /**
     * Which layers a sliding window holds for; {@code layer_types} of config.json decides first.
     */
    public enum WindowLayers {
        /** Every layer, whatever {@code layer_types} says. */
        ALL,
        /** Layers 0, 2, 4, ... */
        EVEN,
        /** From layer {@code max_window_layers} on, if {@code use_sliding_window}. */
        MAX_WINDOW_LAYERS
    }

    /**
     * One linear map of a layer.
     *
     * @param name its name within the layer, without {@code .weight}
     * @param bias rule of its bias
     * @param part which part of the stored tensor it is; absent: all of it
     * @param transposed whether it is stored as [in, out]
     */
    public record Linear(
            String name,
            @Default("never") String bias,
            Optional<PartOf> part,
            @Default("false") boolean transposed) {}

    /**
     * Several maps in one stored tensor.
     *
     * @param of their roles in order
     * @param layout how their rows lie
     */
    public record PartOf(List<String> of, @Default("rows") Layout layout) {}

    /** How the rows of maps that share a stored tensor lie. */
    public enum Layout {
        /** One map's rows after the other's. */
        ROWS,
        /** Head by head, each map's rows of that head: [H, maps, D, in]. */
        HEADS
    }

    /**
     * A value that is refused.
     *
     * @param key of config.json
     * @param unless the value that is not refused; absent from config.json counts as that
     * @param reason why
     */
    public record Refusal(String key, String unless, String reason) {}

    /**
     * What a conversion should say.
     *
     * @param when of which models of the family
     * @param text one sentence
     */
    public record Note(@Default("always") When when, String text) {}

    /** Of which models a note is true. */
    public enum When {
        ALWAYS,
        /** A layer's softmax attention sees some tokens only. */
        WINDOW,
        /** Attention scores are capped. */
        ATTENTION_SOFTCAP,
        /** Angles depend on the text's length. */
        LONGROPE
    }

    /**
     * @param modelType {@code model_type} of config.json
     * @return the family's data, or empty if it has no file
     */
    public static Optional<Architecture> find(String modelType) {
        if (!NAMES.contains(modelType)) {
            return Optional.empty();
        }
        String name = "architectures/" + modelType + ".json";
        return Optional.of(
                ConfigBinder.bind(ConfigNode.parse(text(name), name), Architecture.class));
    }

    /**
     * The file of a family as it is, for programs that are not Java.
     *
     * @param modelType one of {@link #NAMES}
     */
    public static ObjectNode json(String modelType) {
        try {
            String text = text("architectures/" + modelType + ".json");
            return (ObjectNode) new ObjectMapper().readTree(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String text(String resource) {
        try (InputStream in = Architecture.class.getResourceAsStream(resource)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
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

    /** What of a decoder of this family differs from Llama's, a few words each. */
    public List<String> specialties() {
        List<String> words = new ArrayList<>();
        boolean hasOutputNorms = norms.containsKey("mlp_output_norm");
        String outputNorms =
                norms.containsKey("input_layernorm") ? "norms on both sides" : "norms behind only";
        boolean isFused = linears.values().stream().anyMatch(l -> l.part().isPresent());
        boolean isTransposed = linears.values().stream().anyMatch(Linear::transposed);
        boolean isBiased =
                linears.values().stream().anyMatch(linear -> linear.bias().equals("always"));
        add(words, embedPositions.isPresent(), "learned positions");
        add(words, embedScale != EmbedScale.NONE, "scaled embeddings");
        add(words, normType == NormType.LAYER, "layer norms");
        add(words, normType == NormType.RMS_PLUS_ONE, "norms of 1 + w");
        add(words, hasOutputNorms, outputNorms);
        add(words, qkNorm == QkNorm.HEAD, "head norms of q and k");
        add(words, qkNorm == QkNorm.WHOLE, "norms of all of q and k");
        add(words, !parallelResidual.equals("never"), "parallel residual");
        add(words, keys.containsKey("rotary_factor"), "partial rotation");
        add(words, mlp == Mlp.PLAIN, "plain MLP");
        add(words, mlp == Mlp.EXPERTS, "experts");
        add(words, isBiased, "biases");
        add(words, !lmHeadBias.equals("never"), "bias of the head");
        add(words, isFused, "fused projections");
        add(words, isTransposed, "transposed weights");
        add(words, slidingWindow.isPresent(), "sliding window");
        add(words, attentionSoftcap.isPresent(), "soft caps");
        return words;
    }

    private static void add(List<String> words, boolean holds, String word) {
        if (holds) {
            words.add(word);
        }
    }

    /** Whether a tensor is one that old files have and nothing reads. */
    boolean ignores(String name) {
        return name.endsWith("rotary_emb.inv_freq")
                || ignored.stream()
                        .anyMatch(i -> name.matches(i.replace(".", "\\.").replace("*", "\\d+")));
    }
}
