package dev.tegu.model.lolcats;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a tensor of a LoLCATs checkpoint is, by its name.
 *
 * <p>A name is a prefix ({@code model.}, or {@code base_model.model.model.} once PEFT has wrapped
 * the model, each also without its last {@code model.}), {@code layers.N.}, and one of
 *
 * <pre>
 * self_attn.feature_map_{q,k}.mlp.layer                                  feature_map_{q,k}.weight
 * self_attn.feature_map_{q,k}.mlp.bias                                   feature_map_{q,k}.bias
 * self_attn.window_factors, self_attn.window_factor                      window_factor
 * self_attn.{q,k,v,o}_proj.lora_{A,B}.weight, or ...default.weight       {q,k,v,o}_proj.lora_{A,B}
 * mlp.{gate,up,down}_proj.lora_{A,B}.weight, or ...default.weight        the same
 * </pre>
 *
 * @param layer number of the layer
 * @param role name of the parameter in our checkpoints, relative to the attention; for an adapter
 *     the linear map and {@code lora_A} or {@code lora_B}
 */
public record LolcatsKey(int layer, String role) {
    private static final Pattern LAYER =
            Pattern.compile(
                    "(?:base_model\\.model\\.)?(?:model\\.)?layers\\.(0|[1-9][0-9]{0,4})\\.(.+)");
    private static final Pattern FEATURE_MAP =
            Pattern.compile("self_attn\\.(feature_map_[qk])\\.mlp\\.(layer|bias)");
    private static final Pattern WINDOW_FACTOR = Pattern.compile("self_attn\\.window_factors?");
    private static final Pattern ADAPTER =
            Pattern.compile(
                    "(?:self_attn\\.([qkvo]_proj)|mlp\\.((?:gate|up|down)_proj))"
                            + "\\.(lora_[AB])(?:\\.default)?\\.weight");

    /**
     * @param key name in a checkpoint
     * @return empty if this is no name of a trained tensor
     */
    static Optional<LolcatsKey> parse(String key) {
        Matcher layer = LAYER.matcher(key);
        if (!layer.matches()) {
            return Optional.empty();
        }
        int number = Integer.parseInt(layer.group(1));
        return role(layer.group(2)).map(role -> new LolcatsKey(number, role));
    }

    private static Optional<String> role(String name) {
        Matcher map = FEATURE_MAP.matcher(name);
        if (map.matches()) {
            boolean isBias = map.group(2).equals("bias");
            return Optional.of(map.group(1) + (isBias ? ".bias" : ".weight"));
        }
        if (WINDOW_FACTOR.matcher(name).matches()) {
            return Optional.of("window_factor");
        }
        Matcher adapter = ADAPTER.matcher(name);
        if (adapter.matches()) {
            String linear = adapter.group(1) == null ? adapter.group(2) : adapter.group(1);
            return Optional.of(linear + "." + adapter.group(3));
        }
        return Optional.empty();
    }

    /** The name under which LoLCATs saves this before PEFT wraps the model, for messages. */
    String spelling() {
        String name =
                role.equals("window_factor")
                        ? "window_factors"
                        : role.replace(".weight", ".mlp.layer").replace(".bias", ".mlp.bias");
        return "model.layers." + layer + ".self_attn." + name;
    }

    /** Whether this is part of an adapter. */
    public boolean isAdapter() {
        return role.endsWith(".lora_A") || role.endsWith(".lora_B");
    }
}
