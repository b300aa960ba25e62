package dev.tegu.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.config.ConfigNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/** A family's config.json in the words of Llama's, and the switches that it asks for. */
final class FamilyConfig {
    private static final String ROTARY_FACTOR = "rotary_factor";
    private static final String ROPE_PARAMETERS = "rope_parameters";
    private static final String ROPE_SCALING = "rope_scaling";
    private static final String LAYER_TYPES = "layer_types";

    private final Architecture family;
    private final ObjectNode json;
    private final ModelConfig.Reader in;

    private FamilyConfig(Architecture family, ObjectNode json, String source) {
        this.family = family;
        this.json = json;
        this.in = new ModelConfig.Reader(json, source, family.keys());
    }

    /**
     * @param json config.json; not changed
     * @return the same with canonical keys, and with the family's defaults where it has none
     */
    static FamilyConfig of(Architecture family, ObjectNode json, String source) {
        ObjectNode canonical = json.deepCopy();
        family.keys()
                .forEach(
                        (key, own) -> {
                            if (json.has(own)) {
                                canonical.set(key, json.get(own));
                            }
                        });
        FamilyConfig config = new FamilyConfig(family, canonical, source);
        family.defaults().forEach(config::putDefault);
        config.refuse();
        return config;
    }

    /** A formula stands for null, too; other defaults stand for what is absent. */
    private void putDefault(String key, ConfigNode value) {
        JsonNode plain = new ObjectMapper().valueToTree(value.toPlain());
        boolean isFormula = plain.isTextual() && plain.asText().matches("\\d+\\*[a-z_]+");
        if (isFormula && !json.hasNonNull(key)) {
            String[] factors = plain.asText().split("\\*");
            int times = Integer.parseInt(factors[0]);
            json.put(key, Math.multiplyExact(times, in.integer(factors[1], 1, 1 << 20)));
        } else if (!json.has(key)) {
            json.set(key, plain);
        }
    }

    private void refuse() {
        for (Architecture.Refusal refusal : family.refused()) {
            boolean isThere = json.hasNonNull(refusal.key());
            if (isThere && !json.get(refusal.key()).asText().equals(refusal.unless())) {
                throw in.error(
                        refusal.key(),
                        "is "
                                + json.get(refusal.key()).asText()
                                + ": "
                                + refusal.reason()
                                + "; this model cannot be linearized");
            }
        }
    }

    ObjectNode json() {
        return json;
    }

    ModelConfig.Reader reader() {
        return in;
    }

    /** What a rule says: {@code never}, {@code always} or a key. */
    boolean decides(String rule) {
        return rule.equals("always") || json.path(rule).asBoolean(false);
    }

    DecoderSwitches switches(int hiddenSize, int headDim, int layers, int maxPositions) {
        boolean hasExperts = family.mlp() == Architecture.Mlp.EXPERTS;
        double queryFactor =
                family.queryScale().map(key -> Math.sqrt(headDim / in.number(key))).orElse(1.0);
        int rotaryDims = rotaryDims(headDim);
        int experts = hasExperts ? in.integer("num_experts", 1, 1 << 12) : 0;
        return new DecoderSwitches(
                decides(family.parallelResidual()),
                decides(family.lmHeadBias()),
                family.embedScale() == Architecture.EmbedScale.SQRT_HIDDEN
                        ? Math.sqrt(hiddenSize)
                        : 1,
                queryFactor,
                rotaryDims,
                longRope(rotaryDims, maxPositions),
                cap(family.attentionSoftcap()),
                cap(family.finalSoftcap()),
                windows(layers),
                experts,
                hasExperts ? in.integer("num_experts_per_tok", 1, experts) : 0);
    }

    private double cap(Optional<String> key) {
        return key.map(name -> in.numberOr(name, 0)).orElse(0.0);
    }

    /** transformers 5 keeps the fraction with RoPE's other parameters. */
    private int rotaryDims(int headDim) {
        if (family.rope() == Architecture.Rope.NONE) {
            return 0;
        }
        double factor = in.numberOr(ROTARY_FACTOR, 1);
        if (json.path(ROPE_PARAMETERS).hasNonNull("partial_rotary_factor")) {
            factor = json.get(ROPE_PARAMETERS).get("partial_rotary_factor").asDouble();
        }
        int dims = (int) (headDim * factor);
        if (dims < 2 || dims > headDim || dims % 2 != 0) {
            throw in.error(
                    ROTARY_FACTOR,
                    "rotates "
                            + dims
                            + " of a head's "
                            + headDim
                            + " dimensions; expected an even number of them");
        }
        return dims;
    }

    private Optional<DecoderSwitches.LongRope> longRope(int dims, int maxPositions) {
        String block = json.hasNonNull(ROPE_PARAMETERS) ? ROPE_PARAMETERS : ROPE_SCALING;
        JsonNode rope = json.path(block);
        String type = rope.path("rope_type").asText(rope.path("type").asText());
        if (!RopeConfig.isLong(type)) {
            return Optional.empty();
        }
        int original =
                rope.path("original_max_position_embeddings")
                        .asInt(in.integerOr("original_max_position_embeddings", maxPositions));
        double factor = rope.path("factor").asDouble((double) maxPositions / Math.max(1, original));
        double scale =
                factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log((double) original));
        return Optional.of(
                new DecoderSwitches.LongRope(
                        original,
                        factors(block, rope, "short_factor", dims / 2),
                        factors(block, rope, "long_factor", dims / 2),
                        rope.path("attention_factor").asDouble(scale)));
    }

    private List<Double> factors(String block, JsonNode rope, String key, int count) {
        List<Double> factors = new ArrayList<>();
        rope.path(key).forEach(factor -> factors.add(factor.asDouble()));
        if (factors.size() != count || factors.stream().anyMatch(f -> !(f > 0))) {
            throw in.error(
                    block,
                    "`" + key + "`: expected " + count + " positive numbers, found " + factors);
        }
        return factors;
    }

    /** How many tokens each layer's softmax attention sees; 0: all. */
    private List<Integer> windows(int layers) {
        int window = family.slidingWindow().map(key -> in.integerOr(key, 0)).orElse(0);
        boolean isUsed =
                family.windowLayers() != Architecture.WindowLayers.MAX_WINDOW_LAYERS
                        || json.path("use_sliding_window").asBoolean(false);
        if (window == 0 || !isUsed) {
            return Collections.nCopies(layers, 0);
        }
        List<Integer> windows = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            windows.add(slides(layer) ? window : 0);
        }
        return List.copyOf(windows);
    }

    private boolean slides(int layer) {
        if (family.windowLayers() == Architecture.WindowLayers.ALL) {
            return true;
        }
        if (json.hasNonNull(LAYER_TYPES)) {
            return json.get(LAYER_TYPES).path(layer).asText().equals("sliding_attention");
        }
        return family.windowLayers() == Architecture.WindowLayers.EVEN
                ? layer % 2 == 0
                : layer >= in.integerOr("max_window_layers", 0);
    }
}
