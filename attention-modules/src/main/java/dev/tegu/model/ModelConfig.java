package dev.tegu.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.WindowSpec;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigException;
import dev.tegu.config.ConfigNode;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * What the decoder needs of a HuggingFace {@code config.json}.
 *
 * @param architecture the family
 * @param shape heads and widths of the attention
 * @param intermediateSize width of the MLP
 * @param numLayers number of decoder layers
 * @param vocabSize number of token ids
 * @param maxPositions context the model was trained for
 * @param normEps epsilon of the norms
 * @param hiddenAct the MLP's activation: silu, relu, gelu or gelu_pytorch_tanh
 * @param tiesEmbeddings whether the head is the embedding
 * @param biases roles of the linear maps that have a bias
 * @param rope the rotary embedding
 * @param switches what of the decoder differs from family to family
 * @param linearAttention the student's attention, absent for a teacher
 */
public record ModelConfig(
        Architecture architecture,
        AttentionShape shape,
        int intermediateSize,
        int numLayers,
        int vocabSize,
        int maxPositions,
        double normEps,
        String hiddenAct,
        boolean tiesEmbeddings,
        Set<String> biases,
        RopeConfig rope,
        DecoderSwitches switches,
        Optional<AttentionSpec> linearAttention) {

    /** {@code model_type} of a student; its own family is in the linear_attention block. */
    public static final String STUDENT_TYPE = "tegu";

    /** Key of config.json under which a student's attention stands. */
    public static final String LINEAR_ATTENTION = "linear_attention";

    /**
     * Names that transformers has for an activation, and the one that the decoder's scripts know.
     */
    private static final Map<String, String> ACTIVATIONS =
            Map.of(
                    "silu", "silu",
                    "relu", "relu",
                    "gelu", "gelu",
                    "gelu_pytorch_tanh", "gelu_pytorch_tanh",
                    "gelu_new", "gelu_pytorch_tanh",
                    "gelu_fast", "gelu_pytorch_tanh");

    /** Version of the linear_attention block that this code writes, and the newest it reads. */
    public static final int FORMAT_VERSION = 1;

    /**
     * @param json config.json
     * @param source its name, for messages
     * @throws CheckpointException if a key is missing or out of range, or the family is unknown
     */
    public static ModelConfig parse(ObjectNode json, String source) {
        Reader in = new Reader(json, source, Map.of());
        String type = in.text("model_type");
        Optional<AttentionSpec> student = Optional.empty();
        if (json.has(LINEAR_ATTENTION)) {
            ObjectNode block = in.object(LINEAR_ATTENTION).deepCopy();
            Reader header = new Reader(block, source + ": " + LINEAR_ATTENTION, Map.of());
            type = header.text("base_model_type");
            int version = header.integer("version", 1, Integer.MAX_VALUE);
            if (version > FORMAT_VERSION) {
                throw in.error(
                        LINEAR_ATTENTION + ".version",
                        "is "
                                + version
                                + ", this program reads up to "
                                + FORMAT_VERSION
                                + "; use a newer Tegu");
            }
            block.remove("base_model_type");
            block.remove("version");
            try {
                student =
                        Optional.of(
                                ConfigBinder.bind(
                                        ConfigNode.parse(block.toString(), source),
                                        AttentionSpec.class));
            } catch (ConfigException e) {
                throw in.error(LINEAR_ATTENTION, e.problems().get(0).message());
            }
        }
        String family = type;
        Architecture architecture =
                Architecture.find(family)
                        .orElseThrow(
                                () ->
                                        in.error(
                                                "model_type",
                                                "`"
                                                        + family
                                                        + "` is not an architecture Tegu knows;"
                                                        + " known: "
                                                        + String.join(", ", Architecture.NAMES)
                                                        + " (see `tegu list architectures`)"));
        FamilyConfig config = FamilyConfig.of(architecture, json, source);
        return of(architecture, config, student);
    }

    private static ModelConfig of(
            Architecture architecture, FamilyConfig config, Optional<AttentionSpec> student) {
        Reader in = config.reader();
        int hidden = in.integer("hidden_size", 1, 1 << 20);
        int heads = in.integer("num_attention_heads", 1, 1 << 16);
        int kvHeads = in.integerOr("num_key_value_heads", heads);
        if (!in.json().hasNonNull("head_dim") && hidden % heads != 0) {
            throw in.error("hidden_size", hidden + " is not a multiple of " + heads + " heads");
        }
        int headDim = in.integerOr("head_dim", hidden / heads);
        if (heads % kvHeads != 0) {
            throw in.error(
                    "num_key_value_heads", kvHeads + " does not divide " + heads + " query heads");
        }
        if (headDim % 2 != 0) {
            throw in.error("head_dim", "must be even for RoPE, found " + headDim);
        }
        String act = in.textOr("hidden_act", "silu");
        if (!ACTIVATIONS.containsKey(act)) {
            throw in.error("hidden_act", "`" + act + "` is not an activation Tegu knows");
        }
        Set<String> biases = new TreeSet<>();
        architecture
                .linears()
                .forEach(
                        (role, linear) -> {
                            if (config.decides(linear.bias())) {
                                biases.add(role);
                            }
                        });
        int layers = in.integer("num_hidden_layers", 1, 1 << 16);
        int maxPositions = in.integerOr("max_position_embeddings", 2048);
        return new ModelConfig(
                architecture,
                new AttentionShape(heads, kvHeads, headDim, hidden),
                in.integer("intermediate_size", 1, 1 << 24),
                layers,
                in.integer("vocab_size", 1, 1 << 24),
                maxPositions,
                in.numberOr("norm_eps", 1e-6),
                ACTIVATIONS.get(act),
                in.json().path("tie_word_embeddings").asBoolean(false),
                biases,
                RopeConfig.parse(in, maxPositions),
                config.switches(hidden, headDim, layers, maxPositions),
                student);
    }

    /** The same model with another attention, or with softmax when empty. */
    public ModelConfig withLinearAttention(Optional<AttentionSpec> spec) {
        return new ModelConfig(
                architecture,
                shape,
                intermediateSize,
                numLayers,
                vocabSize,
                maxPositions,
                normEps,
                hiddenAct,
                tiesEmbeddings,
                biases,
                rope,
                switches,
                spec);
    }

    /** Whether a layer's attention is linearized. */
    public boolean isLinear(int layer) {
        return linearAttention.isPresent()
                && !linearAttention.get().keepSoftmax().of(numLayers).contains(layer);
    }

    /**
     * Whether what a token sees depends on how much text is given at once, so that a prompt must be
     * given whole and padding after a text must be named: the anchors other than {@link
     * WindowSpec.Anchor#START}.
     */
    public boolean readsWholeText() {
        return linearAttention.isPresent()
                && linearAttention.get().window().anchor() != WindowSpec.Anchor.START;
    }

    /**
     * What a conversion should say of this model: where its student cannot be all that the teacher
     * is.
     */
    public List<String> notes() {
        return architecture.notes().stream()
                .filter(note -> holds(note.when()))
                .map(Architecture.Note::text)
                .toList();
    }

    private boolean holds(Architecture.When when) {
        return switch (when) {
            case ALWAYS -> true;
            case WINDOW -> switches.windows().stream().anyMatch(window -> window > 0);
            case ATTENTION_SOFTCAP -> switches.attentionSoftcap() > 0;
            case LONGROPE -> switches.longRope().isPresent();
        };
    }

    /**
     * Typed access to config.json with messages that say the key.
     *
     * @param names of keys in the file, where they are not the canonical ones
     */
    record Reader(ObjectNode json, String source, Map<String, String> names) {
        CheckpointException error(String key, String message) {
            return new CheckpointException(
                    source + ": `" + names.getOrDefault(key, key) + "`: " + message);
        }

        ObjectNode object(String key) {
            if (json.get(key) instanceof ObjectNode object) {
                return object;
            }
            throw error(key, "expected an object");
        }

        String text(String key) {
            JsonNode value = json.get(key);
            if (value == null || !value.isTextual()) {
                throw error(key, "missing; is this a HuggingFace model directory?");
            }
            return value.asText();
        }

        String textOr(String key, String absent) {
            return json.hasNonNull(key) ? text(key) : absent;
        }

        int integer(String key, int min, int max) {
            JsonNode value = json.get(key);
            if (value == null || !value.isIntegralNumber()) {
                throw error(key, value == null ? "missing" : "expected a whole number");
            }
            long number = value.asLong();
            if (!value.canConvertToLong() || number < min || number > max) {
                throw error(key, "must lie between " + min + " and " + max + ", found " + value);
            }
            return (int) number;
        }

        int integerOr(String key, int absent) {
            return json.hasNonNull(key) ? integer(key, 1, 1 << 28) : absent;
        }

        double number(String key) {
            JsonNode value = json.get(key);
            if (value == null || !value.isNumber() || !(value.asDouble() > 0)) {
                throw error(key, "expected a positive number");
            }
            return value.asDouble();
        }

        double numberOr(String key, double absent) {
            return json.hasNonNull(key) ? number(key) : absent;
        }
    }
}
