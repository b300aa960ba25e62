package dev.tegu.model;

import dev.tegu.attention.AttentionParameter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;

/** Every tensor that a model of a given configuration has: name, shape, and role in the decoder. */
public final class ModelLayout {
    private static final String WEIGHT = ".weight";
    private static final String BIAS = ".bias";
    private static final String EXPERT = "{expert}";

    private final ModelConfig config;
    private final Architecture names;

    /** The layout of one configuration. */
    public ModelLayout(ModelConfig config) {
        this.config = config;
        this.names = config.architecture();
    }

    /**
     * One tensor of the decoder.
     *
     * @param name in the checkpoint; parts of one stored tensor have the same
     * @param role in the decoder's scripts, for example {@code q_proj.weight}
     * @param shape as the decoder reads it
     * @param parameter start values, for a student's new parameters
     * @param layer number of the layer, -1 outside
     * @param part where it lies in the stored tensor; absent: it is the stored tensor
     */
    public record Entry(
            String name,
            String role,
            List<Long> shape,
            Optional<AttentionParameter> parameter,
            int layer,
            Optional<StoredPart> part) {

        /** Shape of the tensor of the checkpoint. */
        public List<Long> storedShape() {
            return part.map(StoredPart::stored).orElse(shape);
        }

        /**
         * A name that no other tensor of the decoder has: the checkpoint's, followed by the role
         * where several share that.
         */
        public String key() {
            return sharesStorage() ? name + ":" + role : name;
        }

        /** Whether other tensors of the decoder lie in the same stored tensor. */
        public boolean sharesStorage() {
            return part.isPresent() && part.get().size() > part.get().size(shape);
        }
    }

    private static Entry frozen(String name, String role, int layer, long... shape) {
        return new Entry(name, role, list(shape), Optional.empty(), layer, Optional.empty());
    }

    private static List<Long> list(long... shape) {
        List<Long> dims = new ArrayList<>();
        for (long d : shape) {
            dims.add(d);
        }
        return dims;
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

    /**
     * What else stands outside the layers, where the family has it: {@code embed_positions} [P, M],
     * {@code norm.bias} [M] and {@code lm_head.bias} [V].
     */
    public List<Entry> moreEnds() {
        List<Entry> more = new ArrayList<>();
        names.embedPositions()
                .ifPresent(
                        name ->
                                more.add(
                                        frozen(
                                                name,
                                                "embed_positions",
                                                -1,
                                                config.maxPositions(),
                                                hidden())));
        if (hasNormBias()) {
            more.add(frozen(bias(names.norm()), "norm.bias", -1, hidden()));
        }
        if (config.switches().headBias()) {
            more.add(frozen(bias(names.lmHead()), "lm_head.bias", -1, config.vocabSize()));
        }
        return more;
    }

    /** Everything outside the layers that the checkpoint has. */
    public List<Entry> ends() {
        List<Entry> ends = new ArrayList<>(List.of(embedding(), norm()));
        if (!config.tiesEmbeddings()) {
            ends.add(head());
        }
        ends.addAll(moreEnds());
        return ends;
    }

    private static String bias(String weight) {
        return weight.substring(0, weight.length() - WEIGHT.length()) + BIAS;
    }

    private boolean hasNormBias() {
        return names.normType() == Architecture.NormType.LAYER;
    }

    /** The frozen tensors of one layer. */
    public List<Entry> layer(int index) {
        String prefix = names.layerPrefix(index);
        List<Entry> all = new ArrayList<>();
        names.norms()
                .forEach(
                        (role, name) -> {
                            long size = normSize(role);
                            all.add(frozen(prefix + name + WEIGHT, role, index, size));
                            if (hasNormBias()) {
                                all.add(frozen(prefix + name + BIAS, role + BIAS, index, size));
                            }
                        });
        eachLinear(
                (role, linear) -> {
                    long[] size = linearShape(role);
                    String name = prefix + linear.name();
                    Optional<StoredPart> part = part(role, linear, size);
                    all.add(
                            new Entry(
                                    name + WEIGHT,
                                    role + WEIGHT,
                                    list(size),
                                    Optional.empty(),
                                    index,
                                    part));
                    if (config.biases().contains(role)) {
                        all.add(
                                new Entry(
                                        name + BIAS,
                                        role + BIAS,
                                        List.of(size[0]),
                                        Optional.empty(),
                                        index,
                                        part.flatMap(StoredPart::ofBias)));
                    }
                });
        return all;
    }

    /** Each linear map; those of experts once an expert. */
    private void eachLinear(BiConsumer<String, Architecture.Linear> action) {
        names.linears()
                .forEach(
                        (role, linear) -> {
                            int experts = role.contains(EXPERT) ? config.switches().experts() : 1;
                            for (int expert = 0; expert < experts; expert++) {
                                String number = String.valueOf(expert);
                                action.accept(
                                        role.replace(EXPERT, number),
                                        new Architecture.Linear(
                                                linear.name().replace(EXPERT, number),
                                                linear.bias(),
                                                linear.part(),
                                                linear.transposed()));
                            }
                        });
    }

    private Optional<StoredPart> part(String role, Architecture.Linear linear, long... size) {
        long rows = size[0];
        long first = 0;
        long block = rows;
        long stride = rows;
        long all = rows;
        if (linear.part().isPresent()) {
            List<String> roles = linear.part().get().of();
            all = roles.stream().mapToLong(r -> linearShape(r)[0]).sum();
            if (linear.part().get().layout() == Architecture.Layout.HEADS) {
                block = config.shape().headDim();
                stride = block * roles.size();
                first = block * roles.indexOf(role);
            } else {
                stride = all;
                first =
                        roles.subList(0, roles.indexOf(role)).stream()
                                .mapToLong(r -> linearShape(r)[0])
                                .sum();
            }
        } else if (!linear.transposed()) {
            return Optional.empty();
        }
        List<Long> stored = linear.transposed() ? List.of(size[1], all) : List.of(all, size[1]);
        return Optional.of(new StoredPart(stored, first, block, stride, linear.transposed()));
    }

    private long normSize(String role) {
        boolean isWhole = names.qkNorm() == Architecture.QkNorm.WHOLE;
        return switch (role) {
            case "q_norm" -> isWhole ? linearShape("q_proj")[0] : config.shape().headDim();
            case "k_norm" -> isWhole ? linearShape("k_proj")[0] : config.shape().headDim();
            default -> hidden();
        };
    }

    /** The student's new parameters of one layer; empty where softmax stays. */
    public List<Entry> parameters(int index) {
        if (!config.isLinear(index)) {
            return List.of();
        }
        String prefix = names.attentionPrefix(index);
        return AttentionParameter.of(config.linearAttention().orElseThrow(), config.shape())
                .stream()
                .map(
                        p ->
                                new Entry(
                                        prefix + p.name(),
                                        p.name(),
                                        p.shape(),
                                        Optional.of(p),
                                        index,
                                        Optional.empty()))
                .toList();
    }

    /** Every tensor of the decoder, frozen ones first. */
    public List<Entry> all() {
        List<Entry> all = new ArrayList<>(ends());
        for (int i = 0; i < config.numLayers(); i++) {
            all.addAll(layer(i));
            all.addAll(parameters(i));
        }
        return all;
    }

    /** Shape of every tensor of the checkpoint by name. */
    Map<String, List<Long>> stored() {
        Map<String, List<Long>> stored = new LinkedHashMap<>();
        all().forEach(entry -> stored.put(entry.name(), entry.storedShape()));
        return stored;
    }

    /** Output and input width of a linear map. */
    private long[] linearShape(String role) {
        long heads = (long) config.shape().numHeads() * config.shape().headDim();
        long kv = (long) config.shape().numKvHeads() * config.shape().headDim();
        long mlp = config.intermediateSize();
        String last = role.substring(role.lastIndexOf('.') + 1);
        return switch (last) {
            case "q_proj" -> new long[] {heads, hidden()};
            case "k_proj", "v_proj" -> new long[] {kv, hidden()};
            case "o_proj" -> new long[] {hidden(), heads};
            case "gate_proj", "up_proj", "fc1" -> new long[] {mlp, hidden()};
            case "down_proj", "fc2" -> new long[] {hidden(), mlp};
            case "router" -> new long[] {config.switches().experts(), hidden()};
            default -> throw new IllegalArgumentException("no linear map `" + role + "`");
        };
    }

    private long hidden() {
        return config.shape().hiddenSize();
    }
}
