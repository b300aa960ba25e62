package dev.tegu.cli.pretrain;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.Optional;

/**
 * The block {@code model}: keys of HuggingFace's {@code config.json} of a Llama. What concerns the
 * vocabulary comes from the tokenizer.
 *
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width of the MLP
 * @param numHiddenLayers number of layers
 * @param numAttentionHeads query heads
 * @param numKeyValueHeads key and value heads, a divisor of the query heads; as many if not given
 * @param headDim width of a head, even; {@code hidden_size / num_attention_heads} if not given
 * @param maxPositionEmbeddings longest context, in tokens
 * @param ropeTheta base of the rotary frequencies
 * @param rmsNormEps epsilon of the norms
 * @param tieWordEmbeddings whether the head is the embedding
 */
public record ModelSettings(
        int hiddenSize,
        int intermediateSize,
        int numHiddenLayers,
        int numAttentionHeads,
        Optional<Integer> numKeyValueHeads,
        Optional<Integer> headDim,
        @Default("512") int maxPositionEmbeddings,
        @Default("10000.0") double ropeTheta,
        @Default("1.0e-5") double rmsNormEps,
        @Default("true") boolean tieWordEmbeddings) {

    /**
     * @throws InvalidValueException if a size is out of range or does not fit another
     */
    public ModelSettings {
        atLeastOne("hidden_size", hiddenSize);
        atLeastOne("intermediate_size", intermediateSize);
        atLeastOne("num_hidden_layers", numHiddenLayers);
        atLeastOne("num_attention_heads", numAttentionHeads);
        numKeyValueHeads.ifPresent(heads -> atLeastOne("num_key_value_heads", heads));
        headDim.ifPresent(width -> atLeastOne("head_dim", width));
        if (maxPositionEmbeddings < 2) {
            throw new InvalidValueException(
                    "max_position_embeddings",
                    "expected 2 or more, found " + maxPositionEmbeddings);
        }
        positive("rope_theta", ropeTheta);
        positive("rms_norm_eps", rmsNormEps);
        int kvHeads = numKeyValueHeads.orElse(numAttentionHeads);
        if (numAttentionHeads % kvHeads != 0) {
            throw new InvalidValueException(
                    "num_key_value_heads",
                    "expected a divisor of the "
                            + numAttentionHeads
                            + " query heads, found "
                            + kvHeads);
        }
        if (headDim.isEmpty() && hiddenSize % numAttentionHeads != 0) {
            throw new InvalidValueException(
                    "hidden_size",
                    hiddenSize
                            + " is not a multiple of "
                            + numAttentionHeads
                            + " heads; give `head_dim`");
        }
        int width = headDim.orElse(hiddenSize / numAttentionHeads);
        if (width % 2 != 0) {
            throw new InvalidValueException(
                    "head_dim", "expected an even width, which RoPE needs, found " + width);
        }
    }

    /** The {@code config.json} of a model with this tokenizer, without the type of its weights. */
    ObjectNode configJson(TextTokenizer tokenizer) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.putArray("architectures").add("LlamaForCausalLM");
        json.put("attention_bias", false).put("attention_dropout", 0.0);
        tokenizer.bosId().ifPresent(id -> json.put("bos_token_id", id));
        tokenizer.eosId().ifPresent(id -> json.put("eos_token_id", id));
        json.put("head_dim", headDim.orElse(hiddenSize / numAttentionHeads));
        json.put("hidden_act", "silu");
        json.put("hidden_size", hiddenSize);
        json.put("initializer_range", 0.02);
        json.put("intermediate_size", intermediateSize);
        json.put("max_position_embeddings", maxPositionEmbeddings);
        json.put("mlp_bias", false);
        json.put("model_type", "llama");
        json.put("num_attention_heads", numAttentionHeads);
        json.put("num_hidden_layers", numHiddenLayers);
        json.put("num_key_value_heads", numKeyValueHeads.orElse(numAttentionHeads));
        json.put("rms_norm_eps", rmsNormEps);
        json.put("rope_theta", ropeTheta);
        json.put("tie_word_embeddings", tieWordEmbeddings);
        json.put("use_cache", true);
        json.put("vocab_size", tokenizer.vocabSize());
        return json;
    }

    private static void atLeastOne(String key, int value) {
        if (value < 1) {
            throw new InvalidValueException(key, "expected 1 or more, found " + value);
        }
    }

    private static void positive(String key, double value) {
        if (!(value > 0) || !Double.isFinite(value)) {
            throw new InvalidValueException(key, "expected a number above 0, found " + value);
        }
    }
}
