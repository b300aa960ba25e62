package dev.tegu.eval.task;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.model.DecoderModel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Scores one text at a time, one token at a time: the whole prefix goes through the model, and the
 * softmax of its last logits is taken in double. Shares nothing with the scorer but the model.
 */
final class NaiveScores {
    private final DecoderModel model;
    private final ByteTokenizer tokenizer;

    NaiveScores(DecoderModel model, ByteTokenizer tokenizer) {
        this.model = model;
        this.tokenizer = tokenizer;
    }

    private int[] ids(String text) {
        return tokenizer.encode(text, true);
    }

    private double[] logProbs(int[] prefix) {
        double[] logits;
        try (NDManager scope = model.manager().newSubManager()) {
            long[] ids = IntStream.of(prefix).asLongStream().toArray();
            NDArray hidden = model.forward(scope.create(ids).reshape(1, ids.length));
            float[] last = model.nextToken(hidden).toFloatArray();
            logits = IntStream.range(0, last.length).mapToDouble(i -> last[i]).toArray();
        }
        double max = IntStream.range(0, logits.length).mapToDouble(i -> logits[i]).max().orElse(0);
        double sum = 0;
        for (double logit : logits) {
            sum += Math.exp(logit - max);
        }
        double log = max + Math.log(sum);
        return IntStream.range(0, logits.length).mapToDouble(i -> logits[i] - log).toArray();
    }

    /** Log-probability of a continuation, token after token. */
    double logProb(String context, String continuation) {
        int[] whole = ids(context + continuation);
        double sum = 0;
        for (int t = ids(context).length; t < whole.length; t++) {
            sum += logProbs(Arrays.copyOf(whole, t))[whole[t]];
        }
        return sum;
    }

    private static int best(double[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }

    /** Whether each token of a continuation is the most probable one. */
    boolean isGreedy(String context, String continuation) {
        int[] whole = ids(context + continuation);
        return IntStream.range(ids(context).length, whole.length)
                .allMatch(t -> best(logProbs(Arrays.copyOf(whole, t))) == whole[t]);
    }

    /** What greedy decoding writes, up to a newline. */
    String write(String context, int tokens) {
        List<Integer> text = new ArrayList<>(IntStream.of(ids(context)).boxed().toList());
        int from = text.size();
        while (text.size() < from + tokens) {
            text.add(best(logProbs(text.stream().mapToInt(i -> i).toArray())));
        }
        int[] written = text.subList(from, text.size()).stream().mapToInt(i -> i).toArray();
        String all = tokenizer.decode(written, true);
        return all.contains("\n") ? all.substring(0, all.indexOf('\n')) : all;
    }

    /** Index of the best answer, by log-probability over a length of the answer. */
    static int argmax(List<Double> logProbs, List<String> answers, String metric) {
        double[] scores = new double[answers.size()];
        for (int i = 0; i < scores.length; i++) {
            double length =
                    switch (metric) {
                        case "acc_norm" -> answers.get(i).codePoints().count();
                        case "acc_bytes" -> answers.get(i).getBytes(StandardCharsets.UTF_8).length;
                        default -> 1;
                    };
            scores[i] = logProbs.get(i) / length;
        }
        return best(scores);
    }
}
