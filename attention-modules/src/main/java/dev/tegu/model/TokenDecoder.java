package dev.tegu.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.attention.AttentionState;
import dev.tegu.engine.TorchScript;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Decoding with one script call a token for the whole model, in place; on a GPU with one launch,
 * where no layer is softmax, see {@link StepGraph}.
 *
 * <p>The script holds the weights (the model's own memory, but for norms and adapters, which it
 * joins), the states of linearized layers, whose windows become rings, and caches of softmax layers
 * with room to grow. A change of weights or adapters is not seen: such a decoder lives for one
 * text.
 *
 * <p>Not thread-safe.
 */
final class TokenDecoder implements Decoding {
    /**
     * Positions beyond the next token that get cosines: more of them take time, and a recording.
     */
    private static final int ROOM = 4096;

    private final DecoderModel model;
    private final TorchScript script;
    private final NDManager manager;
    private final StepGraph graph;

    /** Owner of what belongs to the rows at hand, replaced when rows leave. */
    private NDManager rowManager;

    /** Where the rows stood at the start, if they differ. */
    private Optional<Rows> rows;

    private int batch;

    /** Columns read at the start, and tokens since. */
    private final int begin;

    private int tokens;

    /** Tokens from the start on until every row's window is full. */
    private long unfilled;

    private int ropeLength;

    /**
     * Goes on from a state.
     *
     * @param state after at least one token a row; stays as it is
     * @throws IllegalArgumentException if this way does not serve the model, see {@link
     *     DecodeScript#reasonAgainst}
     */
    TokenDecoder(DecoderModel model, DecoderState state) {
        this(model, state, sharesWeights(model));
    }

    /**
     * @param sharesWeights whether weights that read the same input become parts of one piece of
     *     memory, so that they are one product; that reads them all, and mapped files need not be
     */
    TokenDecoder(DecoderModel model, DecoderState state, boolean sharesWeights) {
        this(model, state.batch(), state.length(), sharesWeights);
        hold(state, layer -> {});
    }

    /** Goes on from a state that it closes, layer by layer, so that no long cache stands twice. */
    static TokenDecoder closing(DecoderModel model, DecoderState state) {
        try (state) {
            TokenDecoder decoder =
                    new TokenDecoder(model, state.batch(), state.length(), sharesWeights(model));
            decoder.hold(state, LayerState::close);
            return decoder;
        }
    }

    private void hold(DecoderState state, Consumer<LayerState> afterLayer) {
        try {
            holdRows(state);
            for (int i = 0; i < model.layers().size(); i++) {
                LayerState layer = state.layers().get(i);
                TorchScript.Arguments arguments = new TorchScript.Arguments();
                if (isLinear(i)) {
                    script.call("hold_linear", arguments.add("s", layer.tensors())).close();
                } else {
                    layer.tensors().values().forEach(arguments::add);
                    script.call("hold_softmax", arguments).close();
                }
                afterLayer.accept(layer);
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private static boolean sharesWeights(DecoderModel model) {
        return model.manager().getDevice().isGpu();
    }

    private TokenDecoder(DecoderModel model, int batch, int begin, boolean sharesWeights) {
        DecodeScript.reasonAgainst(model)
                .ifPresent(
                        reason -> {
                            throw new IllegalArgumentException(reason);
                        });
        if (batch == 0) {
            throw new IllegalArgumentException(
                    "decoding begins after a prompt; the state is empty");
        }
        this.model = model;
        this.batch = batch;
        this.begin = begin;
        this.rows = Optional.empty();
        this.manager = model.manager().newSubManager();
        this.rowManager = manager.newSubManager();
        this.script = DecodeScript.load(model);
        this.graph =
                new StepGraph(
                        manager.getDevice(),
                        DecodeScript.reasonAgainstGraph(model),
                        this::step,
                        this::positions);
        try {
            holdWeights(sharesWeights);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /**
     * A decoder after a context that was never read: all that it remembers is random. It costs what
     * any other does, and nothing to fill.
     *
     * @param batch rows
     * @param length tokens of each row's context
     */
    static TokenDecoder random(DecoderModel model, int batch, int length) {
        TokenDecoder decoder = new TokenDecoder(model, batch, length, sharesWeights(model));
        try (NDManager scope = decoder.manager.newSubManager()) {
            decoder.script
                    .call(
                            "hold_random",
                            new TorchScript.Arguments()
                                    .add(number(scope, batch))
                                    .add(number(scope, length)))
                    .close();
        } catch (RuntimeException e) {
            decoder.close();
            throw e;
        }
        return decoder;
    }

    private boolean isLinear(int layer) {
        return model.layers().get(layer).attention().isPresent();
    }

    private void holdWeights(boolean sharesWeights) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray embedding = model.ends().get(0);
            NDArray norm = model.ends().get(1);
            NDArray head = model.ends().get(2);
            Map<String, NDArray> more = new LinkedHashMap<>(model.moreEnds());
            more.put("none", number(scope, 0));
            if (head != embedding) {
                more.put("lm_head", head);
            }
            script.call(
                            "hold_ends",
                            new TorchScript.Arguments().add(embedding).add(norm).add("w", more))
                    .close();
            for (int i = 0; i < model.layers().size(); i++) {
                DecoderLayer layer = model.layers().get(i);
                Map<String, NDArray> all = new LinkedHashMap<>(layer.weights());
                all.putAll(layer.parameters());
                all.putAll(ModelLoader.constants(model.config(), i, scope));
                if (!isLinear(i)) {
                    all.put("softmax", number(scope, 1));
                    layer.window().ifPresent(tokens -> all.put("window", tokens));
                }
                if (sharesWeights && !layer.isTrained()) {
                    all.put("shares", number(scope, 1));
                }
                script.call("hold_layer", new TorchScript.Arguments().add("w", all)).close();
            }
        }
    }

    private void holdRows(DecoderState state) {
        rows = state.rows().map(r -> r.map(NDArray::duplicate));
        rows.ifPresent(r -> r.attach(rowManager));
        unfilled = Math.max(0, reach() - Arrays.stream(state.lengths()).min().orElse(0));
        try (NDManager scope = manager.newSubManager()) {
            NDArray seen =
                    rows.map(Rows::seen)
                            .orElseGet(
                                    () ->
                                            scope.zeros(new Shape(batch), DataType.INT64)
                                                    .addi(begin));
            Map<String, NDArray> p = new LinkedHashMap<>();
            p.put("none", number(scope, 0));
            if (rows.isPresent() && model.hasSoftmax()) {
                p.put("visible", rows.get().columns().eq(rows.get().text().expandDims(1)));
            }
            script.call(
                            "hold_rows",
                            new TorchScript.Arguments()
                                    .add(seen)
                                    .add(number(scope, model.hasSoftmax() ? begin : 0))
                                    .add("p", p))
                    .close();
        }
    }

    private long reach() {
        return model.config().linearAttention().map(spec -> spec.window().reach()).orElse(0);
    }

    /** On the CPU, so that the script reads it without waiting for a GPU. */
    private static NDArray number(NDManager scope, long value) {
        NDManager host = scope.newSubManager(Device.cpu());
        return host.create(value);
    }

    @Override
    public NDArray greedy(NDArray ids, int count) {
        if (count < 1 || count > Generator.BURST) {
            throw new IllegalArgumentException(
                    "1 to " + Generator.BURST + " tokens at once, found " + count);
        }
        try (NDManager scope = manager.newSubManager()) {
            steps(scope, ids, count);
            return script.call("tokens", arguments(ids).add(number(scope, count))).get(0);
        }
    }

    @Override
    public NDArray logits(NDArray ids) {
        try (NDManager scope = manager.newSubManager()) {
            steps(scope, ids, 1);
        }
        return script.call("logits", arguments(ids)).get(0);
    }

    /** Reads the rows' last tokens and goes on with the most probable ones. */
    private void steps(NDManager scope, NDArray ids, int count) {
        NDArray now = number(scope, Math.max(0, unfilled - tokens));
        advance(count);
        script.call("begin", arguments(ids).add(now)).close();
        int left = count;
        if (!graph.isRecorded()) {
            boolean records = graph.reasonAgainst().isEmpty();
            int called = records ? 1 : count;
            script.call("steps", arguments(number(scope, called))).close();
            left -= called;
            if (records) {
                graph.record();
            }
        }
        if (graph.isRecorded()) {
            for (; left > 0; left--) {
                graph.launch();
            }
        } else if (left > 0) {
            script.call("steps", arguments(number(scope, left))).close();
        }
    }

    /** Gives up launching steps as one graph, for comparison. */
    void callSteps() {
        graph.close();
    }

    /** Why steps are called and not launched as one graph; empty where they are launched. */
    Optional<String> reasonAgainstLaunches() {
        return graph.reasonAgainst();
    }

    private void step() {
        try (NDManager scope = manager.newSubManager()) {
            script.call("step", arguments(number(scope, 0))).close();
        }
    }

    private long[] positions() {
        try (NDManager scope = manager.newSubManager()) {
            NDArray like = scope.zeros(new Shape(1));
            return script.call("seen", arguments(like)).get(0).toLongArray();
        }
    }

    private static TorchScript.Arguments arguments(NDArray first) {
        return new TorchScript.Arguments().add(first);
    }

    /** Counts tokens and sees to it that their positions have cosines and sines. */
    private void advance(int count) {
        tokens = Math.addExact(tokens, count);
        int end = Math.addExact(begin, tokens);
        model.positions().requireLearned(end);
        if (end > ropeLength) {
            graph.forget();
            Map<String, NDArray> table = model.positions().table(Math.addExact(end, ROOM));
            NDArray cos = table.get("cos");
            script.call("hold_rope", new TorchScript.Arguments().add(cos).add(table.get("sin")))
                    .close();
            ropeLength = Math.toIntExact(cos.getShape().get(0));
        }
    }

    @Override
    public NDManager manager() {
        return manager;
    }

    @Override
    public void keep(int... chosen) {
        graph.forget();
        NDManager fewer = manager.newSubManager();
        try (NDArray index = fewer.create(Arrays.stream(chosen).asLongStream().toArray())) {
            script.call("keep", new TorchScript.Arguments().add(index)).close();
            rows = rows.map(r -> r.map(tensor -> tensor.get(index)));
            rows.ifPresent(r -> r.attach(fewer));
        }
        rowManager.close();
        rowManager = fewer;
        batch = chosen.length;
    }

    @Override
    public long sizeBytes() {
        try (NDManager scope = manager.newSubManager()) {
            return script.call("size_bytes", new TorchScript.Arguments().add(number(scope, 0)))
                    .get(0)
                    .getLong();
        }
    }

    @Override
    public DecoderState state() {
        try (NDManager scope = manager.newSubManager()) {
            NDArray like = scope.zeros(new Shape(1));
            Optional<Rows> now = rows.map(r -> rowsNow(r, like));
            return new DecoderState(
                    model, batch, begin + tokens, now, layer -> layerState(scope, layer));
        }
    }

    private Rows rowsNow(Rows start, NDArray like) {
        NDArray seen = script.call("seen", new TorchScript.Arguments().add(like)).get(0);
        NDArray columns = start.columns().duplicate();
        if (model.hasSoftmax() && tokens > 0) {
            NDArray text = start.text().expandDims(1).repeat(1, tokens);
            columns = NDArrays.concat(new NDList(start.columns(), text), 1);
        }
        return new Rows(seen, start.document().duplicate(), start.text().duplicate(), columns);
    }

    private LayerState layerState(NDManager scope, int layer) {
        TorchScript.Arguments arguments = new TorchScript.Arguments().add(number(scope, layer));
        if (!isLinear(layer)) {
            NDList cache = script.call("softmax_state", arguments);
            return new LayerState.Softmax(cache.get(0), cache.get(1));
        }
        Shape keys =
                new Shape(
                        batch,
                        model.config().shape().numKvHeads(),
                        1,
                        model.config().shape().headDim());
        Shape queries =
                new Shape(
                        batch,
                        model.config().shape().numHeads(),
                        1,
                        model.config().shape().headDim());
        AttentionState empty =
                model.layers()
                        .get(layer)
                        .attention()
                        .orElseThrow()
                        .emptyState(scope.zeros(queries), scope.zeros(keys), scope.zeros(keys));
        return new LayerState.Linear(
                AttentionState.of(
                        named(script.call("linear_state", arguments.add("s", empty.tensors())))));
    }

    private static Map<String, NDArray> named(NDList tensors) {
        Map<String, NDArray> named = new LinkedHashMap<>();
        for (int i = 0; i < tensors.size(); i++) {
            named.put(AttentionState.NAMES.get(i), tensors.get(i));
        }
        return named;
    }

    @Override
    public void close() {
        graph.close();
        script.close();
        manager.close();
    }
}
