package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;

/** Rates sequences of different lengths in one forward pass. */
final class SequenceScores {
    private SequenceScores() {}

    static List<TokenScores> of(DecoderModel model, List<int[]> sequences, List<int[]> targets) {
        int longest = sequences.stream().mapToInt(ids -> ids.length).max().orElse(0);
        List<TokenScores> scores = new ArrayList<>();
        if (longest < 2) {
            sequences.forEach(ids -> scores.add(new TokenScores(new float[0], new boolean[0])));
            return scores;
        }
        try (NDManager scope = model.manager().newSubManager()) {
            TokenBatch batch = batch(model, scope, sequences);
            NDArray next =
                    targets == sequences
                            ? batch.ids()
                            : TokenBatch.padded(scope, targets, TokenBatch.Side.RIGHT).ids();
            NDList out = model.nextTokenScores(model.forward(batch), next);
            float[] logProbs = out.get(0).toFloatArray();
            float[] greedy = out.get(1).toFloatArray();
            for (int row = 0; row < sequences.size(); row++) {
                int n = sequences.get(row).length - 1;
                float[] p = new float[n];
                boolean[] g = new boolean[n];
                for (int t = 0; t < n; t++) {
                    p[t] = logProbs[row * (longest - 1) + t];
                    g[t] = greedy[row * (longest - 1) + t] != 0;
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
            NDArray hidden = model.forward(batch(model, scope, contexts));
            for (int row = 0; row < contexts.size(); row++) {
                int last = contexts.get(row).length - 1;
                try (NDManager rowScope = NDManager.subManagerOf(hidden)) {
                    NDArray one = hidden.get("{}:{},{}:{}", row, row + 1, last, last + 1);
                    one.attach(rowScope);
                    float[] all = model.nextToken(one).logSoftmax(-1).toFloatArray();
                    scores.add(picked(all, candidates.get(row)));
                }
            }
        }
        return scores;
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
