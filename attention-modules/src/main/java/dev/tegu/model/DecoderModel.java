package dev.tegu.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.GateSpec;
import dev.tegu.attention.LinearAttention;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A decoder-only transformer, teacher or student: embedding, layers, final norm, head.
 *
 * <p>Teacher and student are one object with two attentions: the frozen weights exist once.
 */
public final class DecoderModel implements LanguageModel, AutoCloseable {
    private final ModelConfig config;
    private final NDManager manager;
    private final TorchScript script;
    private final List<LinearAttention> kernels = new ArrayList<>();
    private final NDArray embedding;
    private final NDArray norm;
    private final NDArray head;
    private final List<DecoderLayer> layers = new ArrayList<>();
    private final RopeTable ropeTable;

    DecoderModel(
            ModelConfig config,
            NDManager manager,
            WeightSource source,
            Set<LinearAttention.Branch> ablated)
            throws IOException {
        this.config = config;
        this.manager = manager;
        AttentionShape shape = config.shape();
        this.script =
                TorchScript.load(
                        DecoderModel.class,
                        "decoder.py",
                        Map.of(
                                "eps", config.normEps(),
                                "hidden_act", config.hiddenAct(),
                                "num_heads", (long) shape.numHeads(),
                                "num_kv_heads", (long) shape.numKvHeads(),
                                "head_dim", (long) shape.headDim()));
        this.ropeTable = new RopeTable(config.rope(), shape.headDim(), manager);
        ModelLayout layout = new ModelLayout(config);
        this.embedding = source.tensor(layout.embedding());
        this.norm = source.tensor(layout.norm());
        this.head = config.tiesEmbeddings() ? embedding : source.tensor(layout.head());
        Optional<LinearAttention> kernel =
                config.linearAttention()
                        .map(
                                spec ->
                                        new LinearAttention(
                                                spec,
                                                shape,
                                                LinearAttention.DEFAULT_CHUNK_SIZE,
                                                ablated));
        kernel.ifPresent(kernels::add);
        for (int i = 0; i < config.numLayers(); i++) {
            layers.add(
                    new DecoderLayer(
                            script,
                            source.tensors(layout.layer(i)),
                            source.tensors(layout.parameters(i)),
                            constants(i),
                            config.isLinear(i) ? kernel : Optional.empty()));
        }
    }

    /** What a layer's attention reads that no training changes and no file holds. */
    private Map<String, NDArray> constants(int layer) {
        boolean constant =
                config.isLinear(layer)
                        && config.linearAttention().orElseThrow().gate().kind()
                                == GateSpec.Kind.CONSTANT;
        if (!constant) {
            return Map.of();
        }
        GateSpec gate = config.linearAttention().orElseThrow().gate();
        float[] logs = gate.logConstants(config.shape().numHeads(), layer, config.numLayers());
        return Map.of("gate.log_decay", manager.create(logs));
    }

    /** Where a model's tensors come from; each becomes the property of the model's manager. */
    interface WeightSource {
        NDArray tensor(ModelLayout.Entry entry) throws IOException;

        default Map<String, NDArray> tensors(List<ModelLayout.Entry> entries) throws IOException {
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            for (ModelLayout.Entry entry : entries) {
                tensors.put(entry.role(), tensor(entry));
            }
            return tensors;
        }
    }

    /**
     * Loads a HuggingFace directory or a student directory, tensor by tensor: peak memory is the
     * model plus one tensor.
     *
     * @throws dev.tegu.checkpoint.CheckpointException if the directory does not hold a whole model
     *     that Tegu knows
     */
    public static DecoderModel load(Path dir, Device device) throws IOException {
        return load(dir, device, Set.of());
    }

    /**
     * Loads a directory as {@link #load(Path, Device)} does, and takes branches of its linearized
     * attention away.
     *
     * @param ablated branches that add nothing in any layer; softmax layers stay as they are
     */
    public static DecoderModel load(Path dir, Device device, Set<LinearAttention.Branch> ablated)
            throws IOException {
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(dir)) {
            ModelConfig config =
                    ModelConfig.parse(files.config(), dir.resolve("config.json").toString());
            return ModelLoader.load(files, config, device, 0, ablated);
        }
    }

    /**
     * Loads a teacher with the attention that {@code config} asks for, its new parameters at their
     * start values.
     *
     * @param seed decides random start values
     */
    public static DecoderModel load(
            HuggingFaceDirectory files, ModelConfig config, Device device, long seed)
            throws IOException {
        return ModelLoader.load(files, config, device, seed, Set.of());
    }

    /** A model with random weights (normal, 0.02, as transformers initializes), to be trained. */
    public static DecoderModel random(ModelConfig config, Device device, long seed)
            throws IOException {
        return ModelLoader.random(config, device, seed);
    }

    /** What the model is made of. */
    public ModelConfig config() {
        return config;
    }

    /** Owner of the weights; lives as long as the model. */
    public NDManager manager() {
        return manager;
    }

    /** The layers in order. */
    public List<DecoderLayer> layers() {
        return List.copyOf(layers);
    }

    /** Weights outside the layers: embedding, final norm, head (the same array when tied). */
    public List<NDArray> ends() {
        return List.of(embedding, norm, head);
    }

    /**
     * @param ids [B, T] int64
     * @return [B, T, M], owned by the manager of {@code ids}
     */
    public NDArray embed(NDArray ids) {
        return script.call("embed", new TorchScript.Arguments().add(ids).add(embedding)).get(0);
    }

    /** Cosines and sines of positions {@code from..to-1}, owned by {@code owner}. */
    public DecoderLayer.Rope rope(NDManager owner, int from, int to) {
        NDArray[] pair = ropeTable.slice(owner, from, to);
        return new DecoderLayer.Rope(pair[0], pair[1]);
    }

    /**
     * @param ids [B, T] int64, from the first position on
     * @return residual stream after the last layer, [B, T, M], before the final norm
     */
    public NDArray forward(NDArray ids) {
        NDManager owner = ids.getManager();
        DecoderLayer.Rope rope = rope(owner, 0, (int) ids.getShape().get(1));
        NDArray hidden = embed(ids);
        for (DecoderLayer layer : layers) {
            NDArray next = layer.forward(hidden, rope);
            hidden.close();
            hidden = next;
        }
        return hidden;
    }

    /** A memory of nothing yet, to be closed by the caller. */
    public DecoderState newState() {
        return new DecoderState(manager, layers.size());
    }

    /**
     * @param ids [B, T] int64, continuing the text that {@code state} has seen
     * @return residual stream of the new tokens, [B, T, M]
     */
    public NDArray forward(NDArray ids, DecoderState state) {
        NDManager owner = ids.getManager();
        int tokens = (int) ids.getShape().get(1);
        DecoderLayer.Rope rope = rope(owner, state.length(), state.length() + tokens);
        NDArray hidden = embed(ids);
        for (int i = 0; i < layers.size(); i++) {
            DecoderLayer layer = layers.get(i);
            try (NDManager scope = owner.newSubManager()) {
                hidden.attach(scope);
                DecoderLayer.Projected in = layer.project(hidden);
                hidden = layer.finish(hidden, state.attend(i, layer, in, rope));
                hidden.attach(owner);
            }
        }
        state.advance(tokens);
        return hidden;
    }

    /** The final norm alone, [B, T, M]. */
    public NDArray normed(NDArray hidden) {
        return script.call("normed", new TorchScript.Arguments().add(hidden).add(norm)).get(0);
    }

    /** Float32 logits of every position, [B, T, V]. */
    public NDArray logits(NDArray hidden) {
        return script.call("logits", ending(hidden)).get(0);
    }

    /** Float32 logits after the last position, [B, V]. */
    public NDArray nextToken(NDArray hidden) {
        return script.call("next_token", ending(hidden)).get(0);
    }

    /**
     * Mean cross-entropy in nats over the labels that are not -100.
     *
     * @param hidden [B, T, M]
     * @param labels [B, T] int64, aligned with the input ids; shifted here
     * @return [] float32
     */
    public NDArray crossEntropy(NDArray hidden, NDArray labels) {
        return script.call("cross_entropy", ending(hidden, labels)).get(0);
    }

    private TorchScript.Arguments ending(NDArray hidden, NDArray... more) {
        TorchScript.Arguments arguments = new TorchScript.Arguments().add(hidden);
        for (NDArray array : more) {
            arguments.add(array);
        }
        return arguments.add(norm).add(head);
    }

    @Override
    public int vocabSize() {
        return config.vocabSize();
    }

    @Override
    public int maxPositions() {
        return config.maxPositions();
    }

    @Override
    public List<TokenScores> score(List<int[]> sequences) {
        int longest = sequences.stream().mapToInt(ids -> ids.length).max().orElse(0);
        List<TokenScores> scores = new ArrayList<>();
        if (longest < 2) {
            sequences.forEach(ids -> scores.add(new TokenScores(new float[0], new boolean[0])));
            return scores;
        }
        long[] flat = new long[sequences.size() * longest];
        for (int row = 0; row < sequences.size(); row++) {
            int[] ids = sequences.get(row);
            for (int t = 0; t < ids.length; t++) {
                flat[row * longest + t] = ids[t];
            }
        }
        try (NDManager scope = manager.newSubManager()) {
            NDArray ids = scope.create(flat, new Shape(sequences.size(), longest));
            NDArray hidden = forward(ids);
            NDList out = script.call("score", ending(hidden, ids));
            float[] logProbs = out.get(0).toFloatArray();
            float[] greedy = out.get(1).toFloatArray();
            for (int row = 0; row < sequences.size(); row++) {
                int n = sequences.get(row).length - 1;
                float[] p = new float[n];
                boolean[] g = new boolean[n];
                for (int t = 0; t < n; t++) {
                    p[t] = logProbs[row * (longest - 1) + t];
                    g[t] = greedy[row * (longest - 1) + t] != 0;
                }
                scores.add(new TokenScores(p, g));
            }
        }
        return scores;
    }

    @Override
    public void close() {
        ropeTable.close();
        manager.close();
        kernels.forEach(LinearAttention::close);
        script.close();
    }

    /** Float32 array of the given values, row-major, in libtorch's memory. */
    static NDArray create(NDManager manager, float[] values, List<Long> shape) {
        Shape dims = new Shape(shape.stream().mapToLong(Long::longValue).toArray());
        return TensorCodec.owned(manager.create(values, dims));
    }
}
