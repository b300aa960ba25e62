package dev.tegu.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.FusedAttention;
import dev.tegu.attention.LinearAttention;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A decoder-only transformer, teacher or student: embedding, layers, final norm, head.
 *
 * <p>Teacher and student are one object with two attentions: the frozen weights exist once.
 */
public final class DecoderModel implements LanguageModel, AutoCloseable {
    private final ModelConfig config;
    private final DType dtype;
    private final NDManager manager;
    private final TorchScript script;
    private final Optional<LinearAttention> kernel;

    /** Made when it is asked for: a kernel takes some time to compile. */
    private Optional<FusedAttention> fused = Optional.empty();

    private final NDArray embedding;
    private final NDArray norm;
    private final NDArray head;
    private final List<DecoderLayer> layers = new ArrayList<>();
    private final Positions positions;
    private final boolean hasSoftmax;

    DecoderModel(
            ModelConfig config,
            DType dtype,
            NDManager manager,
            ModelLoader.WeightSource source,
            Set<LinearAttention.Branch> ablated)
            throws IOException {
        this.config = config;
        this.dtype = dtype;
        this.manager = manager;
        AttentionShape shape = config.shape();
        this.kernel =
                config.linearAttention().map(spec -> ModelLoader.attention(config, spec, ablated));
        this.script =
                kernel.map(LinearAttention::script).orElseGet(() -> ModelLoader.script(config));
        this.positions =
                new Positions(script, new RopeTable(config.rope(), shape.headDim(), manager));
        ModelLayout layout = new ModelLayout(config);
        this.embedding = source.tensor(layout.embedding());
        this.norm = source.tensor(layout.norm());
        this.head = config.tiesEmbeddings() ? embedding : source.tensor(layout.head());
        for (int i = 0; i < config.numLayers(); i++) {
            layers.add(
                    new DecoderLayer(
                            script,
                            source.tensors(layout.layer(i)),
                            source.tensors(layout.parameters(i)),
                            ModelLoader.constants(config, i, manager),
                            config.isLinear(i) ? kernel : Optional.empty()));
        }
        this.hasSoftmax = layers.stream().anyMatch(layer -> layer.attention().isEmpty());
    }

    /**
     * Loads a HuggingFace directory or a student directory, tensor by tensor: peak memory is the
     * model plus one tensor. Weights of any type become float32, and so do all numbers between:
     * float16 and bfloat16 checkpoints take twice their size in memory and compute as the float32
     * model of their rounded weights.
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
        return load(dir, device, ablated, MemoryType.FLOAT32);
    }

    /** The same with frozen weights of another type: bfloat16 or float16 take half the memory. */
    public static DecoderModel load(
            Path dir, Device device, Set<LinearAttention.Branch> ablated, MemoryType type)
            throws IOException {
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(dir)) {
            ModelConfig config =
                    ModelConfig.parse(files.config(), dir.resolve("config.json").toString());
            DType dtype = type.of(files, config);
            return ModelLoader.load(files, config, device, 0, ablated, dtype, false);
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
        return load(files, config, device, seed, DType.F32, false);
    }

    /**
     * The same with frozen weights of another type: bfloat16 or float16 take half the memory. All
     * that is new is float32 still.
     *
     * @param dtype F32, BF16 or F16
     * @param trainsWeights whether the weights are going to change, too: they are a copy then where
     *     they could be the mapped file
     * @throws dev.tegu.checkpoint.CheckpointException also if a weight is too large for the type
     */
    public static DecoderModel load(
            HuggingFaceDirectory files,
            ModelConfig config,
            Device device,
            long seed,
            DType dtype,
            boolean trainsWeights)
            throws IOException {
        return ModelLoader.load(files, config, device, seed, Set.of(), dtype, trainsWeights);
    }

    /** A model with random weights (normal, 0.02, as transformers initializes), to be trained. */
    public static DecoderModel random(ModelConfig config, Device device, long seed)
            throws IOException {
        return ModelLoader.random(config, device, seed);
    }

    /**
     * A model to be measured, not used: frozen weights of a type, drawn on the device itself, new
     * parameters at their start values.
     *
     * @param dtype F32, BF16 or F16
     */
    public static DecoderModel random(ModelConfig config, Device device, long seed, DType dtype)
            throws IOException {
        return ModelLoader.random(config, device, seed, dtype);
    }

    /** What the model is made of. */
    public ModelConfig config() {
        return config;
    }

    /** Type of the frozen weights in memory: F32, BF16 or F16. */
    public DType dtype() {
        return dtype;
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
        return positions.rope(owner, from, to);
    }

    /**
     * Where the tokens of texts stand that begin with this batch, for a caller that goes through
     * the layers itself.
     *
     * @return arrays owned by the manager of the batch's ids
     */
    public DecoderLayer.Places places(TokenBatch batch) {
        return places(batch, true);
    }

    /** The same for layers of which none or some are softmax. */
    public DecoderLayer.Places places(TokenBatch batch, boolean forSoftmax) {
        Positions.Placed placed = positions.place(batch, 0, Optional.empty(), forSoftmax);
        placed.rows().ifPresent(Rows::close);
        return placed.places();
    }

    /** As {@link #forward(TokenBatch)}, for texts of one length: [B, T] int64. */
    public NDArray forward(NDArray ids) {
        return forward(TokenBatch.of(ids));
    }

    /**
     * Reads texts from their first tokens on.
     *
     * @return residual stream after the last layer, [B, T, M], before the final norm; finite but
     *     without meaning under padding
     */
    public NDArray forward(TokenBatch batch) {
        DecoderLayer.Places places = places(batch, hasSoftmax());
        NDArray hidden = embed(batch.ids());
        for (DecoderLayer layer : layers) {
            NDArray next = layer.forward(hidden, places);
            hidden.close();
            hidden = next;
        }
        return hidden;
    }

    /**
     * Reads texts as the teacher does, whose weights are the frozen ones: softmax attention in
     * every layer, no adapters.
     *
     * @return as of {@link #forward(TokenBatch)}
     */
    public NDArray teacher(TokenBatch batch) {
        DecoderLayer.Places places = places(batch, true);
        NDArray hidden = embed(batch.ids());
        for (DecoderLayer layer : layers) {
            NDArray next = layer.teacher(hidden, places);
            hidden.close();
            hidden = next;
        }
        return hidden;
    }

    /** Whether any layer's attention is softmax. */
    public boolean hasSoftmax() {
        return hasSoftmax;
    }

    /**
     * The linearized layers' attention outside of autograd, which belongs to the model.
     *
     * @return empty where no kernel serves the method, the type and the device
     */
    public Optional<FusedAttention> fusedAttention() {
        if (fused.isEmpty()) {
            fused = kernel.flatMap(k -> FusedAttention.of(k, manager.getDevice(), dtype));
        }
        return fused;
    }

    TorchScript script() {
        return script;
    }

    Positions positions() {
        return positions;
    }

    /** A memory of nothing yet, to be closed by the caller. */
    public DecoderState newState() {
        return new DecoderState(this);
    }

    /** As {@link #forward(TokenBatch, DecoderState)}, without padding: [B, T] int64. */
    public NDArray forward(NDArray ids, DecoderState state) {
        return forward(TokenBatch.of(ids), state);
    }

    /**
     * Continues texts, each row its own. One token a row without mask and documents takes the step
     * form, anything else the chunked one; the difference is one of rounding, except with {@link
     * ModelConfig#readsWholeText}, where a prompt must be one batch and what follows steps.
     *
     * @param state of this model, with as many rows as the batch; moved on
     * @return residual stream of the new tokens, [B, T, M]
     * @throws IllegalArgumentException if the state has other rows or is another model's
     */
    public NDArray forward(TokenBatch batch, DecoderState state) {
        state.check(this, batch);
        NDManager owner = batch.ids().getManager();
        Positions.Placed placed =
                positions.place(batch, state.length(), state.rows(), hasSoftmax());
        NDArray hidden = embed(batch.ids());
        for (int i = 0; i < layers.size(); i++) {
            DecoderLayer layer = layers.get(i);
            try (NDManager scope = owner.newSubManager()) {
                hidden.attach(scope);
                DecoderLayer.Projected in = layer.project(hidden);
                hidden = layer.finish(hidden, state.attend(i, layer, in, placed.places()));
                hidden.attach(owner);
            }
        }
        state.advance(batch, placed.rows());
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
        return SequenceScores.of(this, sequences, sequences);
    }

    @Override
    public List<TokenScores> score(List<int[]> sequences, List<int[]> targets) {
        return SequenceScores.of(this, sequences, targets);
    }

    @Override
    public List<NextScores> scoreNext(List<int[]> contexts, List<int[]> candidates) {
        return SequenceScores.next(this, contexts, candidates);
    }

    @Override
    public List<int[]> generate(List<int[]> prompts, int maxNewTokens, StopRule stop) {
        return new Generator(this).greedy(prompts, maxNewTokens, stop);
    }

    /** Log-probability of each next token and whether it is the most probable, [B, T - 1] each. */
    NDList nextTokenScores(NDArray hidden, NDArray ids) {
        return script.call("score", ending(hidden, ids));
    }

    @Override
    public void close() {
        positions.close();
        manager.close();
        fused.ifPresent(FusedAttention::close);
        kernel.ifPresentOrElse(LinearAttention::close, script::close);
    }
}
