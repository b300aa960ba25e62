package dev.tegu.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What an evaluation needs of a model: teachers and students alike. */
public interface LanguageModel {
    /** Number of token ids the model knows; ids are {@code 0..vocabSize-1}. */
    int vocabSize();

    /** Longest sequence that the model was trained for ({@code max_position_embeddings}). */
    int maxPositions();

    /**
     * Rates whole sequences, in one forward pass a batch; short rows are padded on the right, which
     * a causal model cannot see.
     *
     * @param sequences token ids, each at least one token; all are scored in one batch, so the
     *     caller chooses the batch size
     * @return one entry a sequence, in the same order
     */
    List<TokenScores> score(List<int[]> sequences);

    /**
     * Rates tokens that need not stand in the sequences: what comes after tokens {@code 0..t} is
     * compared with {@code t + 1} of the targets. A model that can reads each sequence once, this
     * one once a token.
     *
     * @param sequences as {@link #score(List)}
     * @param targets one row a sequence, of the same length; the first of each is not looked at
     * @return one entry a sequence, in the same order
     */
    default List<TokenScores> score(List<int[]> sequences, List<int[]> targets) {
        List<TokenScores> scores = new ArrayList<>();
        for (int i = 0; i < sequences.size(); i++) {
            int length = sequences.get(i).length;
            float[] logProbs = new float[length - 1];
            boolean[] greedy = new boolean[length - 1];
            for (int t = 0; t < length - 1; t++) {
                int[] text = Arrays.copyOf(sequences.get(i), t + 2);
                text[t + 1] = targets.get(i)[t + 1];
                TokenScores own = score(List.of(text)).get(0);
                logProbs[t] = own.logProbs()[t];
                greedy[t] = own.greedy()[t];
            }
            scores.add(new TokenScores(logProbs, greedy));
        }
        return scores;
    }

    /**
     * Rates several tokens that may follow a text, all in one batch; a model that can reads each
     * text once, this one once a candidate.
     *
     * @param contexts token ids, each at least one token
     * @param candidates for each context the ids to rate, at least one
     * @return one entry a context, in the same order
     */
    default List<NextScores> scoreNext(List<int[]> contexts, List<int[]> candidates) {
        List<NextScores> scores = new ArrayList<>();
        for (int i = 0; i < contexts.size(); i++) {
            int[] context = contexts.get(i);
            float[] logProbs = new float[candidates.get(i).length];
            boolean[] greedy = new boolean[logProbs.length];
            for (int c = 0; c < logProbs.length; c++) {
                int[] sequence = Arrays.copyOf(context, context.length + 1);
                sequence[context.length] = candidates.get(i)[c];
                TokenScores whole = score(List.of(sequence)).get(0);
                logProbs[c] = whole.logProbs()[context.length - 1];
                greedy[c] = whole.greedy()[context.length - 1];
            }
            scores.add(new NextScores(logProbs, greedy));
        }
        return scores;
    }

    /**
     * Continues prompts with the most probable token each time, all in one batch; the rows may have
     * different lengths, and each result is that of its prompt alone, but for rounding.
     *
     * @param prompts token ids, each at least one token
     * @param maxNewTokens new tokens of a row at most, 0 or more
     * @param stop ends a row early
     * @return the new tokens of each prompt, in the same order, with the token that ended the row
     * @throws IllegalArgumentException if a prompt has no tokens
     */
    List<int[]> generate(List<int[]> prompts, int maxNewTokens, StopRule stop);
}
