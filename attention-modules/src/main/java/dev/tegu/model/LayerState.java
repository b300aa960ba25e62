package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.AttentionState;
import dev.tegu.engine.ArraySizes;
import java.util.LinkedHashMap;
import java.util.Map;

/** What one layer remembers of the tokens before. */
sealed interface LayerState extends AutoCloseable {

    /** By name, for files. */
    Map<String, NDArray> tensors();

    long sizeBytes();

    LayerState copy();

    /**
     * @param index rows to take, [rows] int64
     * @param rows the same
     */
    LayerState select(NDArray index, int... rows);

    /**
     * Without each row's last tokens.
     *
     * @throws IllegalStateException if they cannot be taken out any more
     */
    LayerState forget(int tokens, boolean isRagged);

    default void attach(NDManager manager) {
        new NDList(tensors().values()).attach(manager);
    }

    @Override
    void close();

    /** Of a linearized layer: constant size. */
    record Linear(AttentionState state) implements LayerState {
        @Override
        public Map<String, NDArray> tensors() {
            return state.tensors();
        }

        @Override
        public long sizeBytes() {
            return state.sizeBytes();
        }

        @Override
        public LayerState copy() {
            return new Linear(state.copy());
        }

        @Override
        public LayerState select(NDArray index, int... rows) {
            return new Linear(state.select(rows));
        }

        @Override
        public LayerState forget(int tokens, boolean isRagged) {
            return new Linear(state.forget(tokens));
        }

        @Override
        public void close() {
            state.close();
        }
    }

    /**
     * Of a softmax layer: it grows by every token.
     *
     * @param k rotated keys, [B, K, P, D] in the type of the model's weights
     * @param v values, likewise
     */
    record Softmax(NDArray k, NDArray v) implements LayerState {
        @Override
        public Map<String, NDArray> tensors() {
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            tensors.put("keys", k);
            tensors.put("values", v);
            return tensors;
        }

        @Override
        public long sizeBytes() {
            return 2 * ArraySizes.bytes(k);
        }

        @Override
        public LayerState copy() {
            return new Softmax(k.duplicate(), v.duplicate());
        }

        @Override
        public LayerState select(NDArray index, int... rows) {
            return new Softmax(k.get(index), v.get(index));
        }

        /** Rows that differ keep their columns, which {@link Rows#columns} then call padding. */
        @Override
        public LayerState forget(int tokens, boolean isRagged) {
            if (isRagged) {
                return copy();
            }
            String kept = ":,:,0:" + (k.getShape().get(2) - tokens);
            // a slice alone would keep the whole cache in memory
            try (NDArray keys = k.get(kept);
                    NDArray values = v.get(kept)) {
                return new Softmax(keys.duplicate(), values.duplicate());
            }
        }

        @Override
        public void close() {
            k.close();
            v.close();
        }
    }
}
