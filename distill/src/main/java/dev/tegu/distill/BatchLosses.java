package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * The losses of one batch where they were computed: reading them waits for a GPU, having them does
 * not. They are read while the manager of the batch is open.
 */
public final class BatchLosses {
    private final NDList arrays;
    private final Function<List<float[]>, Losses> reader;

    /**
     * @param arrays float32; of the first one every number must be finite
     * @param reader makes losses of the arrays' numbers
     */
    BatchLosses(NDList arrays, Function<List<float[]>, Losses> reader) {
        this.arrays = arrays;
        this.reader = reader;
    }

    /** Losses that are known already. */
    static BatchLosses of(Losses losses) {
        return new BatchLosses(new NDList(), values -> losses);
    }

    /** Waits until they are there. */
    public Losses read() {
        return reader.apply(arrays.stream().map(NDArray::toFloatArray).toList());
    }

    /** What must be finite, on its device; absent where nothing was computed. */
    Optional<NDArray> trained() {
        return arrays.stream().findFirst();
    }

    /** The same losses, owned by another manager from now on. */
    BatchLosses attach(NDManager owner) {
        arrays.attach(owner);
        return this;
    }
}
