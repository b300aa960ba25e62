package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.LinearAttention;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;

/**
 * What a model remembers between the pieces of a text, for each row of a batch: for linearized
 * layers a state of constant size, for softmax layers keys and values of every token.
 *
 * <p>{@link DecoderModel#forward(TokenBatch, DecoderState)} changes it; all else leaves it as it is
 * and gives a new one, which the caller closes.
 */
public final class DecoderState implements AutoCloseable {
    private final DecoderModel model;
    private final NDManager manager;
    private final List<LayerState> layers;
    private Optional<Rows> rows = Optional.empty();

    /** Rows of the batch; 0 before the first tokens. */
    private int batch;

    /** Columns read, padding included: each row's length while rows do not differ. */
    private int length;

    DecoderState(DecoderModel model) {
        this.model = model;
        this.manager = model.manager().newSubManager();
        this.layers = new ArrayList<>(Collections.nCopies(model.layers().size(), null));
    }

    /** A state of the given parts, which it owns from now on. */
    DecoderState(
            DecoderModel model,
            int batch,
            int length,
            Optional<Rows> rows,
            IntFunction<LayerState> layer) {
        this(model);
        this.batch = batch;
        this.length = length;
        this.rows = rows;
        try {
            rows.ifPresent(r -> r.attach(manager));
            for (int i = 0; i < layers.size(); i++) {
                layers.set(i, layer.apply(i));
                layers.get(i).attach(manager);
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    DecoderModel model() {
        return model;
    }

    int batch() {
        return batch;
    }

    int length() {
        return length;
    }

    Optional<Rows> rows() {
        return rows;
    }

    /** The layers' states; none before the first tokens. */
    List<LayerState> layers() {
        return batch == 0 ? List.of() : List.copyOf(layers);
    }

    /**
     * Tokens of its current text that each row has seen, padding not counted: the position of the
     * row's next token. Empty before the first tokens.
     */
    public long[] lengths() {
        if (rows.isPresent()) {
            return rows.get().seen().toLongArray();
        }
        long[] equal = new long[batch];
        Arrays.fill(equal, length);
        return equal;
    }

    /**
     * Bytes of all layers' states, all rows together; once rows differ, 24 more a row, and with
     * softmax layers 8 a column.
     */
    public long sizeBytes() {
        return layers().stream().mapToLong(LayerState::sizeBytes).sum()
                + rows.map(Rows::sizeBytes).orElse(0L);
    }

    /** An equal state of its own memory. */
    public DecoderState copy() {
        return derive(
                batch, length, rows.map(r -> r.map(NDArray::duplicate)), i -> layers.get(i).copy());
    }

    /**
     * The given rows, in that order, a row as often as it is named: what a beam search needs, or a
     * batch that drops the rows that are done.
     *
     * @param chosen at least one index from 0 to B - 1
     * @throws IllegalArgumentException if a row does not exist
     */
    public DecoderState select(int... chosen) {
        for (int row : chosen) {
            if (row < 0 || row >= batch) {
                throw new IllegalArgumentException("row " + row + " of a state of " + batch);
            }
        }
        if (chosen.length == 0) {
            throw new IllegalArgumentException("a state needs at least one row");
        }
        long[] longs = Arrays.stream(chosen).asLongStream().toArray();
        try (NDArray index = manager.create(longs)) {
            return derive(
                    chosen.length,
                    length,
                    rows.map(r -> r.map(tensor -> tensor.get(index))),
                    i -> layers.get(i).select(index, chosen));
        }
    }

    /**
     * The state without each row's last tokens, for a text that goes back to try something else.
     *
     * @param tokens how many to forget, at most the shortest row's {@link #lengths}
     * @throws IllegalStateException if a linearized layer has evicted a token from its window or
     *     summed one up: neither can be undone. The message names the layer
     * @throws IllegalArgumentException if a row has not that many tokens
     */
    public DecoderState forget(int tokens) {
        for (long seen : lengths()) {
            if (tokens < 0 || tokens > seen) {
                throw new IllegalArgumentException(
                        "cannot forget " + tokens + " of " + seen + " tokens");
            }
        }
        boolean isRagged = rows.isPresent();
        int left = isRagged ? length : length - tokens;
        return derive(
                batch,
                left,
                rows.map(r -> model.positions().forget(r, tokens)),
                i -> {
                    try {
                        return layers.get(i).forget(tokens, isRagged);
                    } catch (IllegalStateException e) {
                        throw new IllegalStateException("layer " + i + ": " + e.getMessage(), e);
                    }
                });
    }

    private DecoderState derive(
            int newBatch, int newLength, Optional<Rows> newRows, IntFunction<LayerState> layer) {
        return batch == 0
                ? new DecoderState(model)
                : new DecoderState(model, newBatch, newLength, newRows, layer);
    }

    /**
     * Writes the state as a safetensors file, under another name first, so that what stands at
     * {@code file} is always whole. Its metadata say of what model it is.
     *
     * @throws IOException if the disk fails
     */
    public void save(Path file) throws IOException {
        StateFile.save(this, file);
    }

    /**
     * Reads what {@link #save} wrote, bit by bit.
     *
     * @param model of the same sizes and the same method; that it has the same weights is for the
     *     caller to know
     * @throws dev.tegu.checkpoint.CheckpointException if the file is damaged or another model's
     */
    public static DecoderState load(Path file, DecoderModel model) throws IOException {
        return StateFile.load(file, model);
    }

    /** Refuses another model's state and another number of rows. */
    void check(DecoderModel asking, TokenBatch tokens) {
        if (asking != model) {
            throw new IllegalArgumentException("the state belongs to another model");
        }
        if (batch != 0 && batch != tokens.rows()) {
            throw new IllegalArgumentException(
                    "a state of " + batch + " rows cannot read a batch of " + tokens.rows());
        }
    }

    /** Attention of one layer, remembering its tokens. */
    NDArray attend(
            int index, DecoderLayer layer, DecoderLayer.Projected in, DecoderLayer.Places places) {
        LayerState before = layers.get(index);
        LayerState after;
        NDArray output;
        if (layer.attention().isPresent()) {
            LinearAttention.Result result =
                    before instanceof LayerState.Linear linear
                            ? layer.linear(in, places, linear.state())
                            : layer.prefill(in, places);
            after = new LayerState.Linear(result.state());
            output = result.output();
        } else {
            LayerState.Softmax cache =
                    before instanceof LayerState.Softmax softmax
                            ? softmax
                            : new LayerState.Softmax(layer.nothing(in.k()), layer.nothing(in.v()));
            NDList result = softmax(layer, in, places, cache);
            after = new LayerState.Softmax(result.get(1), result.get(2));
            output = result.get(0);
        }
        after.attach(manager);
        if (before != null) {
            before.close();
        }
        layers.set(index, after);
        return output;
    }

    /** Softmax attention after the tokens of a cache: output, all keys (rotated), all values. */
    private NDList softmax(
            DecoderLayer layer,
            DecoderLayer.Projected in,
            DecoderLayer.Places places,
            LayerState.Softmax cache) {
        return model.script()
                .call(
                        "softmax_piece",
                        new TorchScript.Arguments()
                                .add(in.q())
                                .add(in.k())
                                .add(in.v())
                                .add("p", layer.softmaxInputs(places))
                                .add(cache.k())
                                .add(cache.v()));
    }

    /** Moves on after all layers have seen the tokens. */
    void advance(TokenBatch tokens, Optional<Rows> after) {
        batch = tokens.rows();
        length += tokens.length();
        after.ifPresent(r -> r.attach(manager));
        rows.ifPresent(Rows::close);
        rows = after;
    }

    @Override
    public void close() {
        manager.close();
    }
}
