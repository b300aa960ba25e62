package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Optional;
import java.util.SplittableRandom;

/** Texts of random tokens that are read and continued greedily, to be timed. */
public final class DecodeWorkload implements AutoCloseable {
    /** Tokens of a row that are read at once. */
    private static final int PIECE = 512;

    private final DecoderModel model;
    private final NDManager manager;
    private final int batch;
    private final int context;
    private final SplittableRandom random = new SplittableRandom(0);
    private DecoderState state;
    private NDArray last;

    /**
     * @param batch rows
     * @param context tokens of a row before the first one is decoded
     */
    public DecodeWorkload(DecoderModel model, int batch, int context) {
        this.model = model;
        this.manager = model.manager().newSubManager();
        this.batch = batch;
        this.context = context;
        this.state = model.newState();
        this.last = manager.zeros(new Shape(batch, 1), DataType.INT64);
    }

    /** Reads the context. */
    public void prefill() {
        restart();
        for (int from = 0; from < context; from += PIECE) {
            read(Math.min(PIECE, context - from));
        }
    }

    /** Puts a memory of the context's size in place without reading one. */
    public void fill() {
        restart();
        read(Math.min(PIECE, context));
        if (context <= PIECE || !model.hasSoftmax()) {
            return;
        }
        DecoderState filled =
                new DecoderState(
                        model,
                        batch,
                        context,
                        Optional.empty(),
                        i -> {
                            LayerState layer = state.layers().get(i);
                            return layer instanceof LayerState.Softmax softmax
                                    ? new LayerState.Softmax(
                                            longer(softmax.k()), longer(softmax.v()))
                                    : layer.copy();
                        });
        state.close();
        state = filled;
    }

    /** The columns of [B, K, P, D] again and again until the context is full. */
    private NDArray longer(NDArray cache) {
        try (NDArray repeated = cache.repeat(2, (context + PIECE - 1) / PIECE)) {
            return repeated.get(":,:,0:" + context).duplicate();
        }
    }

    private void restart() {
        state.close();
        state = model.newState();
    }

    private void read(int length) {
        long[] ids = random.longs((long) batch * length, 0, model.vocabSize()).toArray();
        try (NDManager scope = manager.newSubManager()) {
            step(scope.create(ids, new Shape(batch, length)));
        }
    }

    /** Decodes so many tokens a row, the most probable each. */
    public void decode(int tokens) {
        for (int i = 0; i < tokens; i++) {
            try (NDManager scope = manager.newSubManager()) {
                scope.tempAttachAll(last);
                step(last);
            }
        }
    }

    private void step(NDArray ids) {
        NDArray next = model.nextToken(model.forward(ids, state)).argMax(1).reshape(batch, 1);
        next.attach(manager);
        last.close();
        last = next;
    }

    /** Bytes that all rows together keep between tokens. */
    public long stateBytes() {
        return state.sizeBytes();
    }

    /** Waits until the device has done everything. */
    public void synchronize() {
        last.toLongArray();
    }

    @Override
    public void close() {
        state.close();
        manager.close();
    }
}
