package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * Decoding for a clock: random contexts of one length, then greedy tokens that are never read.
 *
 * <p>{@link #prefill} reads the contexts, or {@link #fill} makes memory as large as if it had; then
 * {@link #decode} as often as wanted. Work on a GPU is asked for, not waited for: {@link
 * #synchronize} before the clock is read. Contexts may be longer than the model was trained for.
 *
 * <p>Not thread-safe.
 */
public final class DecodeWorkload implements AutoCloseable {
    private static final long SEED = 5;

    /** Tokens that stand for any longer context where states are constant: past every window. */
    private static final int MOST_READ = 512;

    private final DecoderModel model;
    private final int batch;
    private final int context;
    private final NDManager manager;

    /** What stands between tokens, none before a context. */
    private Decoding decoder;

    /** The rows' last tokens, [B] int64. */
    private NDArray last;

    /**
     * @param model teacher or student; stays the caller's
     * @param batch rows, at least 1
     * @param context tokens of each row's context, at least 1
     */
    public DecodeWorkload(DecoderModel model, int batch, int context) {
        if (batch < 1 || context < 1) {
            throw new IllegalArgumentException(
                    "a workload needs at least 1 row and 1 token, found " + batch + ", " + context);
        }
        this.model = model;
        this.batch = batch;
        this.context = context;
        this.manager = model.manager().newSubManager();
    }

    /** Reads the contexts, random tokens, in the pieces that {@link Generator} takes. */
    public void prefill() {
        read(context);
    }

    private void read(int tokens) {
        forgetContext();
        SplittableRandom random = new SplittableRandom(SEED);
        int piece =
                model.config().readsWholeText()
                        ? tokens
                        : Generator.prefillPiece(manager.getDevice(), batch);
        DecoderState state = model.newState();
        try {
            NDArray next = null;
            for (int from = 0; from < tokens; from += piece) {
                int width = Math.min(piece, tokens - from);
                long[] ids = random.longs((long) batch * width, 0, model.vocabSize()).toArray();
                try (NDManager scope = manager.newSubManager()) {
                    NDArray hidden =
                            model.forward(scope.create(ids, new Shape(batch, width)), state);
                    if (from + width == tokens) {
                        next = model.nextToken(hidden).argMax(1);
                        next.attach(manager);
                    }
                }
            }
            decoder = Generator.decoding(model, state);
            last = next;
        } catch (RuntimeException e) {
            state.close();
            throw e;
        }
    }

    /**
     * Makes the memory of contexts that nobody reads: random states of linearized layers, random
     * keys and values for every token in softmax layers. A token costs what it costs after {@link
     * #prefill}; what it says means nothing.
     *
     * @throws IllegalStateException if the model decodes layer by layer and has softmax layers
     */
    public void fill() {
        Optional<String> reason = DecodeScript.reasonAgainst(model);
        if (reason.isEmpty()) {
            forgetContext();
            decoder = TokenDecoder.random(model, batch, context);
            last = manager.zeros(new Shape(batch), DataType.INT64);
        } else if (model.hasSoftmax()) {
            throw new IllegalStateException(
                    "a context of softmax layers is filled where a token is one call only, and here "
                            + reason.get()
                            + "; use prefill()");
        } else {
            // a state has its full size from the first token on
            read(Math.min(context, MOST_READ));
        }
    }

    private void forgetContext() {
        if (decoder != null) {
            decoder.close();
            last.close();
            decoder = null;
        }
    }

    /**
     * Greedy tokens for every row, one script call for up to {@link Generator#BURST} of them.
     *
     * @param tokens how many a row
     * @throws IllegalStateException before {@link #prefill} or {@link #fill}
     */
    public void decode(int tokens) {
        requireContext();
        for (int left = tokens; left > 0; left -= Generator.BURST) {
            int count = Math.min(left, Generator.BURST);
            try (NDManager scope = manager.newSubManager()) {
                last.attach(scope);
                NDArray next = decoder.greedy(last, count).get(count - 1);
                next.attach(manager);
                last = next;
            }
        }
    }

    /** Bytes that stand between tokens for all rows: states, caches and their room to grow. */
    public long stateBytes() {
        requireContext();
        return decoder.sizeBytes();
    }

    /** Waits until all that was asked for is done. */
    public void synchronize() {
        requireContext();
        last.toLongArray();
    }

    private void requireContext() {
        if (decoder == null) {
            throw new IllegalStateException("no context yet: call prefill() or fill() first");
        }
    }

    @Override
    public void close() {
        forgetContext();
        manager.close();
    }
}
