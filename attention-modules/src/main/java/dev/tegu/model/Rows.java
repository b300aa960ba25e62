package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * Where each row of a batch stands, once rows differ; all int64.
 *
 * @param seen tokens of its current text, [B]
 * @param document number of that text's document, [B]
 * @param text how many texts began before it, [B]
 * @param columns which text each column of the softmax caches holds, -1 for padding, [B, P]; P = 0
 *     where no layer has such a cache
 */
record Rows(NDArray seen, NDArray document, NDArray text, NDArray columns)
        implements AutoCloseable {

    /** Rows that have all seen the same number of tokens of one text. */
    static Rows equal(NDManager owner, int batch, int length, boolean hasCaches) {
        Shape each = new Shape(batch);
        return new Rows(
                owner.zeros(each, DataType.INT64).addi(length),
                owner.zeros(each, DataType.INT64),
                owner.zeros(each, DataType.INT64),
                owner.zeros(new Shape(batch, hasCaches ? length : 0), DataType.INT64));
    }

    static Rows of(Map<String, NDArray> tensors) {
        return new Rows(
                tensors.get("seen"),
                tensors.get("document"),
                tensors.get("text"),
                tensors.get("columns"));
    }

    Map<String, NDArray> tensors() {
        Map<String, NDArray> tensors = new LinkedHashMap<>();
        tensors.put("seen", seen);
        tensors.put("document", document);
        tensors.put("text", text);
        tensors.put("columns", columns);
        return tensors;
    }

    Rows map(UnaryOperator<NDArray> change) {
        return new Rows(
                change.apply(seen),
                change.apply(document),
                change.apply(text),
                change.apply(columns));
    }

    long sizeBytes() {
        return tensors().values().stream().mapToLong(t -> t.getShape().size() * Long.BYTES).sum();
    }

    void attach(NDManager manager) {
        new NDList(tensors().values()).attach(manager);
    }

    @Override
    public void close() {
        tensors().values().forEach(NDArray::close);
    }
}
