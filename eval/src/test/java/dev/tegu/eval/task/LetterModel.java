package dev.tegu.eval.task;

import dev.tegu.model.LanguageModel;
import dev.tegu.model.NextScores;
import dev.tegu.model.StopRule;
import dev.tegu.model.TokenScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;

/** A model of bytes that knows which text comes after another, and counts what it is asked. */
final class LetterModel implements LanguageModel {
    /** Log-probability of what it would write, and of anything else. */
    static final double KNOWN = Math.log(0.9);

    static final double OTHER = Math.log(0.1 / 256);

    /** Answers are shorter: what stands before is not asked for, and takes its time. */
    private static final int LAST = 10;

    private final ByteTokenizer tokenizer = new ByteTokenizer(false);
    private final int maxPositions;
    private final UnaryOperator<String> next;
    final List<int[]> contexts = new ArrayList<>();
    final List<int[]> sequences = new ArrayList<>();

    /**
     * @param next what it would write after a text, at least one character
     */
    LetterModel(int maxPositions, UnaryOperator<String> next) {
        this.maxPositions = maxPositions;
        this.next = next;
    }

    private int best(int[] prefix) {
        return tokenizer.encode(next.apply(tokenizer.decode(prefix, true)), false)[0];
    }

    private static int[] head(int[] ids, int length) {
        return Arrays.copyOf(ids, length);
    }

    @Override
    public int vocabSize() {
        return tokenizer.vocabSize();
    }

    @Override
    public int maxPositions() {
        return maxPositions;
    }

    @Override
    public List<TokenScores> score(List<int[]> rows) {
        sequences.addAll(rows);
        List<TokenScores> scores = new ArrayList<>();
        for (int[] row : rows) {
            float[] logProbs = new float[row.length - 1];
            boolean[] greedy = new boolean[row.length - 1];
            for (int t = 1; t < row.length; t++) {
                greedy[t - 1] = t >= row.length - LAST && best(head(row, t)) == row[t];
                logProbs[t - 1] = (float) (greedy[t - 1] ? KNOWN : OTHER);
            }
            scores.add(new TokenScores(logProbs, greedy));
        }
        return scores;
    }

    @Override
    public List<NextScores> scoreNext(List<int[]> rows, List<int[]> candidates) {
        contexts.addAll(rows);
        List<NextScores> scores = new ArrayList<>();
        for (int i = 0; i < rows.size(); i++) {
            int best = best(rows.get(i));
            int[] ids = candidates.get(i);
            float[] logProbs = new float[ids.length];
            boolean[] greedy = new boolean[ids.length];
            for (int c = 0; c < ids.length; c++) {
                greedy[c] = ids[c] == best;
                logProbs[c] = (float) (greedy[c] ? KNOWN : OTHER);
            }
            scores.add(new NextScores(logProbs, greedy));
        }
        return scores;
    }

    @Override
    public List<int[]> generate(List<int[]> prompts, int maxNewTokens, StopRule stop) {
        contexts.addAll(prompts);
        List<int[]> texts = new ArrayList<>();
        for (int[] prompt : prompts) {
            int[] text = prompt;
            List<Integer> tokens = new ArrayList<>();
            while (tokens.size() < maxNewTokens && (tokens.isEmpty() || !stop.ends(tokens))) {
                int token = best(text);
                tokens.add(token);
                text = head(text, text.length + 1);
                text[text.length - 1] = token;
            }
            texts.add(tokens.stream().mapToInt(i -> i).toArray());
        }
        return texts;
    }
}
