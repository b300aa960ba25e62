package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Rates sequences of different lengths in one forward pass. A beginning that all of them share is
 * read once, and each goes on from the model's state after it: the numbers are the same but for
 * rounding, as those of a text that is read in pieces.
 */
final class SequenceScores {
    /** A shorter beginning is not worth a second pass through the layers. */
    static final int LEAST_SHARED = 32;

    private SequenceScores() {}

    static List<TokenScores> of(DecoderModel model, List<int[]> sequences, List<int[]> targets) {
        int longest = sequences.stream().mapToInt(ids -> ids.length).max().orElse(0);
        List<TokenScores> scores = new ArrayList<>();
        if (longest < 2) {
            sequences.forEach(ids -> scores.add(new TokenScores(new float[0], new boolean[0])));
            return scores;
        }
        try (NDManager scope = model.manager().newSubManager()) {
            // other targets are rated by one pass over the whole texts
            int shared = targets == sequences ? shared(model, sequences) : 0;
            TokenScores beginning = new TokenScores(new float[0], new boolean[0]);
            NDList out;
            if (shared == 0) {
                TokenBatch batch = batch(model, scope, sequences);
                NDArray next =
                        targets == sequences
                                ? batch.ids()
                                : TokenBatch.padded(scope, targets, TokenBatch.Side.RIGHT).ids();
                out = model.nextTokenScores(model.forward(batch), next);
            } else {
                try (DecoderState state = model.newState()) {
                    beginning = beginning(model, scope, state, sequences.get(0), shared);
                    TokenBatch rest = batch(model, scope, rests(sequences, shared));
                    out =
                            model.nextTokenScores(
                                    goOn(model, state, rest, sequences.size()), rest.ids());
                }
            }
            float[] logProbs = out.get(0).toFloatArray();
            float[] greedy = out.get(1).toFloatArray();
            int width = longest - 1 - shared;
            for (int row = 0; row < sequences.size(); row++) {
                int n = sequences.get(row).length - 1;
                float[] p = Arrays.copyOf(beginning.logProbs(), n);
                boolean[] g = Arrays.copyOf(beginning.greedy(), n);
                for (int t = shared; t < n; t++) {
                    p[t] = logProbs[row * width + t - shared];
                    g[t] = greedy[row * width + t - shared] != 0;
                }
                scores.add(new TokenScores(p, g));
            }
        }
        return scores;
    }

    /**
     * The head is applied to each row's last token alone. Memory: the residual stream [B, T, M] and
     * one row of float32 logits [1, V].
     */
    static List<NextScores> next(DecoderModel model, List<int[]> contexts, List<int[]> candidates) {
        List<NextScores> scores = new ArrayList<>();
        try (NDManager scope = model.manager().newSubManager()) {
            int shared = shared(model, contexts);
            NDArray hidden;
            if (shared == 0) {
                hidden = model.forward(batch(model, scope, contexts));
            } else {
                try (DecoderState state = model.newState()) {
                    read(model, scope, state, contexts.get(0), shared).close();
                    TokenBatch rest = batch(model, scope, rests(contexts, shared));
                    hidden = goOn(model, state, rest, contexts.size());
                }
            }
            for (int row = 0; row < contexts.size(); row++) {
                int last = contexts.get(row).length - 1 - shared;
                scores.add(picked(lastLogProbs(model, hidden, row, last), candidates.get(row)));
            }
        }
        return scores;
    }

    /**
     * Tokens that every row begins with, one left over for each row; 0 if they are too few, or the
     * model must read a text in one piece.
     */
    private static int shared(DecoderModel model, List<int[]> rows) {
        if (rows.size() < 2 || model.config().readsWholeText()) {
            return 0;
        }
        int[] first = rows.get(0);
        int shared = first.length;
        for (int[] row : rows) {
            int same = Arrays.mismatch(first, row);
            shared = Math.min(shared, same < 0 ? row.length : same);
        }
        return shared - 1 < LEAST_SHARED ? 0 : shared - 1;
    }

    private static List<int[]> rests(List<int[]> rows, int shared) {
        return rows.stream().map(row -> Arrays.copyOfRange(row, shared, row.length)).toList();
    }

    private static NDArray read(
            DecoderModel model, NDManager scope, DecoderState state, int[] ids, int length) {
        TokenBatch batch = batch(model, scope, List.of(Arrays.copyOf(ids, length)));
        return model.forward(batch, state);
    }

    /** Reads the shared tokens; ratings of them and of the one after, which is shared too. */
    private static TokenScores beginning(
            DecoderModel model, NDManager scope, DecoderState state, int[] ids, int shared) {
        NDArray hidden = read(model, scope, state, ids, shared);
        float[] logProbs = new float[shared];
        boolean[] greedy = new boolean[shared];
        try (NDArray read = scope.create(longs(ids, shared), new Shape(1, shared))) {
            NDList out = model.nextTokenScores(hidden, read);
            float[] p = out.get(0).toFloatArray();
            float[] g = out.get(1).toFloatArray();
            for (int t = 0; t < shared - 1; t++) {
                logProbs[t] = p[t];
                greedy[t] = g[t] != 0;
            }
        }
        NextScores next =
                picked(lastLogProbs(model, hidden, 0, shared - 1), new int[] {ids[shared]});
        logProbs[shared - 1] = next.logProbs()[0];
        greedy[shared - 1] = next.greedy()[0];
        return new TokenScores(logProbs, greedy);
    }

    private static long[] longs(int[] ids, int length) {
        return Arrays.stream(ids, 0, length).asLongStream().toArray();
    }

    /** Continues one text in as many ways as the batch has rows. */
    private static NDArray goOn(DecoderModel model, DecoderState state, TokenBatch rest, int rows) {
        try (DecoderState copies = state.select(new int[rows])) {
            return model.forward(rest, copies);
        }
    }

    private static float[] lastLogProbs(DecoderModel model, NDArray hidden, int row, int at) {
        try (NDManager scope = NDManager.subManagerOf(hidden)) {
            NDArray one = hidden.get("{}:{},{}:{}", row, row + 1, at, at + 1);
            one.attach(scope);
            return model.nextToken(one).logSoftmax(-1).toFloatArray();
        }
    }

    private static NextScores picked(float[] all, int[] candidates) {
        int best = 0;
        for (int i = 1; i < all.length; i++) {
            best = all[i] > all[best] ? i : best;
        }
        float[] logProbs = new float[candidates.length];
        boolean[] greedy = new boolean[candidates.length];
        for (int i = 0; i < candidates.length; i++) {
            logProbs[i] = all[candidates[i]];
            greedy[i] = candidates[i] == best;
        }
        return new NextScores(logProbs, greedy);
    }

    /**
     * Padded on the right. A causal model cannot see what stands after a text, unless its window
     * counts from the text's end; without a mask it is faster.
     */
    private static TokenBatch batch(DecoderModel model, NDManager scope, List<int[]> sequences) {
        TokenBatch padded = TokenBatch.padded(scope, sequences, TokenBatch.Side.RIGHT);
        return model.config().readsWholeText() ? padded : TokenBatch.of(padded.ids());
    }
}
