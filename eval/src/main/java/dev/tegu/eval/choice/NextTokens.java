package dev.tegu.eval.choice;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.model.DecoderModel;
import java.util.ArrayList;
import java.util.List;

/** Rates several tokens that may follow a text, from one forward pass over the text. */
@FunctionalInterface
public interface NextTokens {
    /**
     * @param contexts token ids, each at least one token; all in one batch
     * @param candidates for each context the ids of the tokens to rate
     * @return for each context, in order, the natural-log probability of each of its candidates as
     *     the next token
     */
    List<float[]> logProbs(List<int[]> contexts, List<int[]> candidates);

    /**
     * Of a decoder: contexts are padded on the right, which a causal model cannot see, and the head
     * is applied to each row's last token alone.
     *
     * <p>Memory: the residual stream [B, T, M] and one row of float32 logits [1, V]; scoring the
     * answers as sequences of their own takes B times the number of answers rows and a block of
     * logits of every position.
     */
    static NextTokens of(DecoderModel model) {
        return (contexts, candidates) -> {
            int longest = contexts.stream().mapToInt(ids -> ids.length).max().orElseThrow();
            long[] flat = new long[contexts.size() * longest];
            for (int row = 0; row < contexts.size(); row++) {
                int[] ids = contexts.get(row);
                for (int t = 0; t < ids.length; t++) {
                    flat[row * longest + t] = ids[t];
                }
            }
            List<float[]> answers = new ArrayList<>();
            try (NDManager scope = model.manager().newSubManager()) {
                NDArray ids = scope.create(flat, new Shape(contexts.size(), longest));
                NDArray hidden = model.forward(ids);
                for (int row = 0; row < contexts.size(); row++) {
                    answers.add(
                            pick(
                                    model,
                                    hidden,
                                    row,
                                    contexts.get(row).length,
                                    candidates.get(row)));
                }
            }
            return answers;
        };
    }

    private static float[] pick(
            DecoderModel model, NDArray hidden, int row, int length, int[] candidates) {
        try (NDManager scope = NDManager.subManagerOf(hidden)) {
            NDArray last = hidden.get("{}:{},{}:{}", row, row + 1, length - 1, length);
            last.attach(scope);
            float[] all = model.nextToken(last).logSoftmax(-1).toFloatArray();
            float[] picked = new float[candidates.length];
            for (int i = 0; i < picked.length; i++) {
                picked[i] = all[candidates[i]];
            }
            return picked;
        }
    }
}
