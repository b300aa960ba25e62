package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.attention.AttentionState;
import dev.tegu.attention.LinearAttention;
import java.util.ArrayList;
import java.util.List;

/**
 * What a model remembers between the pieces of a text: for linearized layers a state of constant
 * size, for softmax layers keys and values of every token.
 */
public final class DecoderState implements AutoCloseable {
    private final NDManager manager;
    private final List<AutoCloseable> layers = new ArrayList<>();
    private int length;

    DecoderState(NDManager parent, int numLayers) {
        this.manager = parent.newSubManager();
        for (int i = 0; i < numLayers; i++) {
            layers.add(null);
        }
    }

    /** Keys and values of a softmax layer, [B, K, P, D] each. */
    private record Cache(NDArray k, NDArray v) implements AutoCloseable {
        @Override
        public void close() {
            k.close();
            v.close();
        }
    }

    /** Number of tokens seen. */
    public int length() {
        return length;
    }

    void advance(int tokens) {
        length += tokens;
    }

    /** Bytes of all layers' states. */
    public long sizeBytes() {
        long sum = 0;
        for (AutoCloseable layer : layers) {
            if (layer instanceof AttentionState state) {
                sum += state.sizeBytes();
            } else if (layer instanceof Cache cache) {
                sum += 2 * cache.k().getShape().size() * cache.k().getDataType().getNumOfBytes();
            }
        }
        return sum;
    }

    /** Attention of one layer, remembering its tokens. */
    NDArray attend(
            int index, DecoderLayer layer, DecoderLayer.Projected in, DecoderLayer.Rope rope) {
        AutoCloseable before = layers.get(index);
        NDArray output;
        if (layer.attention().isPresent()) {
            LinearAttention attention = layer.attention().get();
            AttentionState state = (AttentionState) before;
            if (state == null) {
                state = attention.emptyState(in.q(), in.k(), in.v());
            }
            LinearAttention.Result result = layer.linear(in, rope, state);
            result.state().attach(manager);
            state.close();
            layers.set(index, result.state());
            output = result.output();
        } else {
            Cache cache = (Cache) before;
            if (cache == null) {
                Shape k = in.k().getShape();
                Shape none = new Shape(k.get(0), k.get(1), 0, k.get(3));
                cache =
                        new Cache(
                                manager.zeros(none, DataType.FLOAT32),
                                manager.zeros(none, DataType.FLOAT32));
            }
            NDList result = layer.softmax(in, rope, cache.k(), cache.v());
            new NDList(result.get(1), result.get(2)).attach(manager);
            cache.close();
            layers.set(index, new Cache(result.get(1), result.get(2)));
            output = result.get(0);
        }
        return output;
    }

    @Override
    public void close() {
        manager.close();
    }
}
