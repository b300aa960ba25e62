package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import dev.tegu.engine.TorchScript;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Works out where the tokens of a batch stand: their positions for RoPE, and whom softmax layers
 * may see.
 *
 * <p>A batch without padding and documents whose rows are equally long costs a slice of a table;
 * any other costs one or two script calls for the whole model.
 */
final class Positions implements AutoCloseable {
    private final TorchScript script;
    private final RopeTable table;

    /** How many positions are learned, where they are. */
    private final OptionalInt learned;

    Positions(TorchScript script, RopeTable table, OptionalInt learned) {
        this.script = script;
        this.table = table;
        this.learned = learned;
    }

    /**
     * @param end how long texts become
     * @throws IllegalArgumentException if positions are learned, and fewer
     */
    void requireLearned(int end) {
        if (learned.isPresent() && end > learned.getAsInt()) {
            throw new IllegalArgumentException(
                    "the model has learned "
                            + learned.getAsInt()
                            + " positions and cannot read a text of "
                            + end
                            + " tokens; give it a shorter one");
        }
    }

    /** Positions {@code from..to-1}, where a model asks for them. */
    private Optional<NDArray> numbers(NDManager owner, int from, int to) {
        return learned.isPresent()
                ? Optional.of(owner.arange(from, to, 1, DataType.INT64))
                : Optional.empty();
    }

    /**
     * Cosines and sines of positions {@code from..to-1}, [to - from, D], owned by {@code owner}.
     */
    DecoderLayer.Rope rope(NDManager owner, int from, int to) {
        NDArray[] pair = table.slice(owner, from, to);
        return new DecoderLayer.Rope(pair[0], pair[1]);
    }

    /** {@code cos} and {@code sin} of at least so many positions, see {@link RopeTable#upTo}. */
    Map<String, NDArray> table(int positions) {
        return table.upTo(positions);
    }

    /**
     * Places of tokens and where their rows stand after them.
     *
     * @param rows empty while all rows are equally long texts
     */
    record Placed(DecoderLayer.Places places, Optional<Rows> rows) {}

    /**
     * @param batch the arrays of the result join the manager of its ids
     * @param length number of columns before the batch; with {@code before} an upper bound of all
     *     positions
     * @param before where the rows stand if they differ
     * @param hasSoftmax whether a layer will ask whom it may see
     */
    Placed place(TokenBatch batch, int length, Optional<Rows> before, boolean hasSoftmax) {
        NDManager owner = batch.ids().getManager();
        int end = Math.addExact(length, batch.length());
        requireLearned(end);
        if (batch.isPlain() && before.isEmpty()) {
            return new Placed(
                    DecoderLayer.Places.of(rope(owner, length, end), numbers(owner, length, end)),
                    Optional.<Rows>empty());
        }
        try (NDManager scope = owner.newSubManager()) {
            Rows start =
                    before.orElseGet(() -> Rows.equal(scope, batch.rows(), length, hasSoftmax));
            Map<String, NDArray> inputs = new LinkedHashMap<>();
            batch.mask().ifPresent(mask -> inputs.put("mask", mask));
            batch.documents().ifPresent(documents -> inputs.put("document", documents));
            inputs.put("seen", start.seen());
            inputs.put("before", start.document());
            inputs.put("text", start.text());
            inputs.putAll(table.upTo(end));
            NDList out =
                    script.call(
                            "places",
                            new TorchScript.Arguments().add(batch.ids()).add("p", inputs));
            NDArray text = out.get(2);
            NDArray columns;
            Optional<NDArray> visible = Optional.empty();
            if (hasSoftmax) {
                NDList sight =
                        script.call(
                                "visible",
                                new TorchScript.Arguments().add(text).add(start.columns()));
                columns = sight.get(0);
                visible = Optional.of(sight.get(1));
            } else {
                columns = start.columns().duplicate();
                columns.attach(owner);
            }
            text.close();
            return new Placed(
                    new DecoderLayer.Places(
                            new DecoderLayer.Rope(out.get(0), out.get(1)),
                            batch.mask(),
                            batch.documents(),
                            visible,
                            learned.isPresent() ? Optional.of(out.get(6)) : Optional.empty()),
                    Optional.of(new Rows(out.get(3), out.get(4), out.get(5), columns)));
        }
    }

    /** Rows whose last tokens are forgotten; results join the manager of {@code rows}. */
    Rows forget(Rows rows, int tokens) {
        try (NDArray count = rows.seen().getManager().create((long) tokens)) {
            NDArray columns = rows.columns();
            return new Rows(
                    rows.seen().sub(count),
                    rows.document().duplicate(),
                    rows.text().duplicate(),
                    script.call("forget", new TorchScript.Arguments().add(columns).add(count))
                            .get(0));
        }
    }

    @Override
    public void close() {
        table.close();
    }
}
