package dev.tegu.model;

import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.CombineSpec;
import dev.tegu.attention.FeatureMapSpec;
import dev.tegu.attention.LinearAttention;
import dev.tegu.attention.WindowSpec;
import dev.tegu.engine.Engines;
import dev.tegu.engine.TorchScript;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The script behind {@link TokenDecoder}, and which models it serves. */
final class DecodeScript {
    /** Columns that a full softmax cache gets at once. */
    private static final long GROWTH = 256;

    private static final List<String> SCRIPTS =
            List.of(
                    "decode.py",
                    "activation.py",
                    "decode_attention.py",
                    "decode_state.py",
                    "/dev/tegu/attention/feature_maps.py",
                    "/dev/tegu/attention/gates.py",
                    "/dev/tegu/attention/rows.py");

    private DecodeScript() {}

    /** Why a model decodes layer by layer instead; empty if it need not. */
    static Optional<String> reasonAgainst(DecoderModel model) {
        if (Engines.isRecording()) {
            return Optional.of("gradients are recorded");
        }
        for (DecoderLayer layer : model.layers()) {
            if (layer.weights().containsKey("lora_dropout")) {
                return Optional.of("the adapters' inputs are dropped, as in training");
            }
            if (layer.attention().isPresent() && layer.attention().get().isAblated()) {
                return Optional.of("a branch of the attention is taken away");
            }
        }
        return reasonAgainst(model.config())
                .or(() -> model.config().linearAttention().flatMap(DecodeScript::reasonAgainst));
    }

    /** The families' switches that decode.py does not know, whose models are slower for it. */
    private static Optional<String> reasonAgainst(ModelConfig config) {
        Architecture family = config.architecture();
        DecoderSwitches switches = config.switches();
        if (family.normType() == Architecture.NormType.RMS_PLUS_ONE) {
            return Optional.of("norms multiply by 1 + w");
        }
        if (!family.norms().containsKey("input_layernorm")
                || family.norms().containsKey("attention_output_norm")
                || family.norms().containsKey("mlp_output_norm")) {
            return Optional.of("norms stand behind attention and MLP");
        }
        if (family.qkNorm() == Architecture.QkNorm.WHOLE) {
            return Optional.of("queries are normed over all heads at once");
        }
        if (switches.experts() > 0) {
            return Optional.of("each token chooses its experts");
        }
        if (switches.embedScale() != 1 || switches.queryFactor() != 1) {
            return Optional.of("embeddings or queries are scaled");
        }
        if (switches.attentionSoftcap() > 0 || switches.finalSoftcap() > 0) {
            return Optional.of("scores or logits are capped");
        }
        if (switches.longRope().isPresent()) {
            return Optional.of("angles depend on the text's length");
        }
        return Optional.empty();
    }

    /** Why a model's steps are called one by one instead of recorded; empty if they need not be. */
    static Optional<String> reasonAgainstGraph(DecoderModel model) {
        if (!model.manager().getDevice().isGpu()) {
            return Optional.of("only a GPU repeats what was recorded");
        }
        if (model.hasSoftmax()) {
            return Optional.of("caches of softmax layers grow and move");
        }
        return Optional.empty();
    }

    private static Optional<String> reasonAgainst(AttentionSpec spec) {
        if (spec.window().shape() != WindowSpec.Shape.SLIDING) {
            return Optional.of("`window.shape` is not `sliding`");
        }
        if (spec.window().keepFirst() > 0) {
            return Optional.of("`window.keep_first` keeps tokens outside of the window");
        }
        if (spec.isOutsideWindow() && spec.isGated()) {
            return Optional.of("gates wait with the window's tokens for `outside_window`");
        }
        if (spec.isOutsideWindow() && spec.linearRope() != spec.window().rope()) {
            return Optional.of("the branches rotate differently under `outside_window`");
        }
        if (!spec.isLinear() && spec.combine().kind() == CombineSpec.Kind.SUM) {
            return Optional.of("`combine: sum` has no linear branch");
        }
        boolean mayBeZero = spec.featureMap().kind() == FeatureMapSpec.Kind.IDENTITY;
        if (spec.isLinear() && mayBeZero && spec.normalize()) {
            return Optional.of("the sum of weights of `identity` features may be 0");
        }
        return Optional.empty();
    }

    /** The script of one model, which holds nothing yet. */
    static TorchScript load(DecoderModel model) {
        return TorchScript.load(DecodeScript.class, SCRIPTS, constants(model));
    }

    private static Map<String, Object> constants(DecoderModel model) {
        ModelConfig config = model.config();
        Map<String, Object> constants = new LinkedHashMap<>(attentionConstants(model));
        constants.putAll(ModelLoader.constants(config));
        constants.put("growth", GROWTH);
        constants.put("layers", TorchScript.Holder.LAYERS);
        constants.put("states", TorchScript.Holder.LAYERS);
        constants.put("work", TorchScript.Holder.TENSORS);
        constants.put("burst", (long) Generator.BURST);
        for (String counter : List.of("short", "columns")) {
            constants.put(counter, 0L);
        }
        return constants;
    }

    private static Map<String, Object> attentionConstants(DecoderModel model) {
        for (DecoderLayer layer : model.layers()) {
            if (layer.attention().isPresent()) {
                return layer.attention().get().scriptConstants();
            }
        }
        // no layer asks, but the script must know the names
        try (LinearAttention none =
                new LinearAttention(
                        AttentionPresets.spec("no-attention"),
                        model.config().shape(),
                        LinearAttention.DEFAULT_CHUNK_SIZE)) {
            return none.scriptConstants();
        }
    }
}
