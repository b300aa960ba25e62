package dev.tegu.model;

import dev.tegu.attention.AttentionParameter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Every tensor that a model of a given configuration has: name, shape, and role in the decoder. */
public final class ModelLayout {
    private final ModelConfig config;
    private final Architecture names;

    /** The layout of one configuration. */
    public ModelLayout(ModelConfig config) {
        this.config = config;
        this.names = config.architecture();
    }

    /**
     * One tensor.
     *
     * @param name in the checkpoint
     * @param role in the decoder's scripts, for example {@code q_proj.weight}
     * @param shape expected shape
     * @param parameter start values, for a student's new parameters
     * @param layer number of the layer, -1 outside
     */
    public record Entry(
            String name,
            String role,
            List<Long> shape,
            Optional<AttentionParameter> parameter,
            int layer) {}

    private static Entry frozen(String name, String role, int layer, long... shape) {
        List<Long> dims = new ArrayList<>();
        for (long d : shape) {
            dims.add(d);
        }
        return new Entry(name, role, dims, Optional.empty(), layer);
    }

    /** Token embedding, [V, M]. */
    public Entry embedding() {
        return frozen(names.embedTokens(), "embed_tokens", -1, config.vocabSize(), hidden());
    }

    /** Final norm, [M]. */
    public Entry norm() {
        return frozen(names.norm(), "norm", -1, hidden());
    }

    /** Output head, [V, M]; part of the file only when embeddings are not tied. */
    public Entry head() {
        return frozen(names.lmHead(), "lm_head", -1, config.vocabSize(), hidden());
    }

    /** The frozen tensors of one layer. */
    public List<Entry> layer(int index) {
        String prefix = names.layerPrefix(index);
        List<Entry> all = new ArrayList<>();
        names.norms()
                .forEach(
                        (role, name) ->
                                all.add(frozen(prefix + name + ".weight", role, index, hidden())));
        Map<String, long[]> sizes = linearShapes();
        names.linears()
                .forEach(
                        (role, linear) -> {
                            long[] size = sizes.get(role);
                            String name = prefix + linear.name();
                            all.add(frozen(name + ".weight", role + ".weight", index, size));
                            if (config.biases().contains(role)) {
                                all.add(frozen(name + ".bias", role + ".bias", index, size[0]));
                            }
                        });
        return all;
    }

    /** The student's new parameters of one layer; empty where softmax stays. */
    public List<Entry> parameters(int index) {
        if (!config.isLinear(index)) {
            return List.of();
        }
        String prefix = names.attentionPrefix(index);
        return AttentionParameter.of(config.linearAttention().orElseThrow(), config.shape())
                .stream()
                .map(p -> new Entry(prefix + p.name(), p.name(), p.shape(), Optional.of(p), index))
                .toList();
    }

    /** Every tensor of the file, frozen ones first. */
    public List<Entry> all() {
        List<Entry> all = new ArrayList<>(List.of(embedding(), norm()));
        if (!config.tiesEmbeddings()) {
            all.add(head());
        }
        for (int i = 0; i < config.numLayers(); i++) {
            all.addAll(layer(i));
            all.addAll(parameters(i));
        }
        return all;
    }

    /** Output and input width of each linear map, as its weight is stored. */
    private Map<String, long[]> linearShapes() {
        long heads = (long) config.shape().numHeads() * config.shape().headDim();
        long kv = (long) config.shape().numKvHeads() * config.shape().headDim();
        long mlp = config.intermediateSize();
        return Map.of(
                "q_proj", new long[] {heads, hidden()},
                "k_proj", new long[] {kv, hidden()},
                "v_proj", new long[] {kv, hidden()},
                "o_proj", new long[] {hidden(), heads},
                "gate_proj", new long[] {mlp, hidden()},
                "up_proj", new long[] {mlp, hidden()},
                "down_proj", new long[] {hidden(), mlp});
    }

    private long hidden() {
        return config.shape().hiddenSize();
    }
}
