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
            TokenBatch padded = TokenBatch.padded(scope, sequences, TokenBatch.Side.RIGHT);
            // A causal model cannot see what stands after a text, unless its window counts from
            // the text's end; without a mask it is faster.
            boolean needsMask = model.config().readsWholeText();
            TokenBatch batch = needsMask ? padded : TokenBatch.of(padded.ids());
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
}
