package dev.tegu.eval;

import dev.tegu.model.LanguageModel;
import dev.tegu.model.StopRule;
import dev.tegu.model.TokenScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** A model that is a rule, and that remembers what it was asked. */
public final class FakeModel implements LanguageModel {
    /** Probability of the next token after a prefix, and the most probable one. */
    public interface Rule {
        double probability(int[] prefix, int next);

        int best(int[] prefix);
    }

    public final List<List<int[]>> batches = new ArrayList<>();
    private final int vocabSize;
    private final int maxPositions;
    private final Rule rule;

    public FakeModel(int vocabSize, int maxPositions, Rule rule) {
        this.vocabSize = vocabSize;
        this.maxPositions = maxPositions;
        this.rule = rule;
    }

    /** Every token has the same probability; token 0 counts as the most probable. */
    public static FakeModel uniform(int vocabSize, int maxPositions) {
        return new FakeModel(
                vocabSize,
                maxPositions,
                new Rule() {
                    @Override
                    public double probability(int[] prefix, int next) {
                        return 1.0 / vocabSize;
                    }

                    @Override
                    public int best(int[] prefix) {
                        return 0;
                    }
                });
    }

    /** Row {@code a}, column {@code b}: probability of {@code b} after {@code a}. */
    public static FakeModel bigram(double[][] table, int maxPositions) {
        return new FakeModel(
                table.length,
                maxPositions,
                new Rule() {
                    @Override
                    public double probability(int[] prefix, int next) {
                        return table[prefix[prefix.length - 1]][next];
                    }

                    @Override
                    public int best(int[] prefix) {
                        double[] row = table[prefix[prefix.length - 1]];
                        int best = 0;
                        for (int i = 1; i < row.length; i++) {
                            best = row[i] > row[best] ? i : best;
                        }
                        return best;
                    }
                });
    }

    @Override
    public int vocabSize() {
        return vocabSize;
    }

    @Override
    public int maxPositions() {
        return maxPositions;
    }

    @Override
    public List<TokenScores> score(List<int[]> sequences) {
        batches.add(List.copyOf(sequences));
        return sequences.stream().map(sequence -> score(sequence, sequence)).toList();
    }

    @Override
    public List<TokenScores> score(List<int[]> sequences, List<int[]> targets) {
        batches.add(List.copyOf(sequences));
        return IntStream.range(0, sequences.size())
                .mapToObj(i -> score(sequences.get(i), targets.get(i)))
                .toList();
    }

    @Override
    public List<int[]> generate(List<int[]> prompts, int maxNewTokens, StopRule stop) {
        batches.add(List.copyOf(prompts));
        return prompts.stream().map(prompt -> generate(prompt, maxNewTokens, stop)).toList();
    }

    private int[] generate(int[] prompt, int maxNewTokens, StopRule stop) {
        int[] text = prompt;
        List<Integer> tokens = new ArrayList<>();
        while (tokens.size() < maxNewTokens && (tokens.isEmpty() || !stop.ends(tokens))) {
            int next = rule.best(text);
            tokens.add(next);
            text = Arrays.copyOf(text, text.length + 1);
            text[text.length - 1] = next;
        }
        return tokens.stream().mapToInt(Integer::intValue).toArray();
    }

    private TokenScores score(int[] sequence, int[] targets) {
        float[] logProbs = new float[sequence.length - 1];
        boolean[] greedy = new boolean[sequence.length - 1];
        for (int t = 0; t < logProbs.length; t++) {
            int[] prefix = Arrays.copyOf(sequence, t + 1);
            logProbs[t] = (float) Math.log(rule.probability(prefix, targets[t + 1]));
            greedy[t] = rule.best(prefix) == targets[t + 1];
        }
        return new TokenScores(logProbs, greedy);
    }
}
