package dev.tegu.eval.task;

import dev.tegu.eval.BatchScorer;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalProgress;
import dev.tegu.eval.TaskResult.Timing;
import dev.tegu.model.NextScores;
import dev.tegu.model.TokenScores;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Rates continuations. Those of one token after the same context are read from one forward pass
 * over it; any other is a sequence of its own, of which its tokens count.
 *
 * <p>Rows are batched by length and padded on the right; the batch size changes a score by rounding
 * alone.
 */
final class PairScorer {
    /** How the answers about candidates are kept. */
    private record Candidates(List<int[]> ids) implements BatchScorer.Kind<NextScores> {
        @Override
        public String name() {
            return "next tokens";
        }

        @Override
        public int[] given(int index) {
            return ids.get(index);
        }

        @Override
        public double[] numbers(NextScores answer) {
            int length = answer.logProbs().length;
            double[] numbers = new double[2 * length];
            for (int i = 0; i < length; i++) {
                numbers[i] = answer.logProbs()[i];
                numbers[length + i] = answer.greedy()[i] ? 1 : 0;
            }
            return numbers;
        }

        @Override
        public NextScores answer(double[] numbers) {
            int length = numbers.length / 2;
            float[] logProbs = new float[length];
            boolean[] greedy = new boolean[length];
            for (int i = 0; i < length; i++) {
                logProbs[i] = (float) numbers[i];
                greedy[i] = numbers[length + i] != 0;
            }
            return new NextScores(logProbs, greedy);
        }
    }

    /**
     * A continuation's rating.
     *
     * @param logProb sum of its tokens' natural-log probabilities
     * @param isGreedy whether greedy decoding would write it
     */
    record Rating(double logProb, boolean isGreedy) {}

    /**
     * @param ratings one entry a pair, in order
     */
    record Scored(List<Rating> ratings, Timing timing) {}

    private final EvalInput input;
    private final int batchSize;
    private final String task;
    private final EvalProgress progress;

    PairScorer(EvalInput input, int batchSize, String task, EvalProgress progress) {
        this.input = input;
        this.batchSize = batchSize;
        this.task = task;
        this.progress = progress;
    }

    /**
     * @throws IllegalArgumentException if an id is not in the model's vocabulary
     * @throws IllegalStateException if the model answers with numbers that are none
     */
    Scored score(List<TokenPair> pairs) {
        Map<IntBuffer, List<Integer>> single = new LinkedHashMap<>();
        List<Integer> rows = new ArrayList<>();
        for (int i = 0; i < pairs.size(); i++) {
            if (pairs.get(i).continuation().length == 1) {
                IntBuffer context = IntBuffer.wrap(pairs.get(i).context());
                single.computeIfAbsent(context, key -> new ArrayList<>()).add(i);
            } else {
                rows.add(i);
            }
        }
        Rating[] ratings = new Rating[pairs.size()];
        int total = single.size() + rows.size();
        Timing first = scoreSingle(pairs, single, ratings, scorer(0, single.size(), total));
        Timing second = scoreRows(pairs, rows, ratings, scorer(single.size(), rows.size(), total));
        return new Scored(List.of(ratings), first.plus(second));
    }

    private BatchScorer scorer(int before, int size, int total) {
        EvalProgress part =
                (name, done, all) -> {
                    // The second part's start is the first part's end, which was told already.
                    if (size > 0 && (done > 0 || before == 0)) {
                        progress.update(name, before + done, total);
                    }
                };
        return new BatchScorer(input, batchSize, task, part);
    }

    private Timing scoreSingle(
            List<TokenPair> pairs,
            Map<IntBuffer, List<Integer>> single,
            Rating[] ratings,
            BatchScorer scorer) {
        List<int[]> contexts = single.keySet().stream().map(IntBuffer::array).toList();
        List<List<Integer>> groups = List.copyOf(single.values());
        List<int[]> candidates =
                groups.stream()
                        .map(
                                group ->
                                        group.stream()
                                                .mapToInt(i -> pairs.get(i).continuation()[0])
                                                .toArray())
                        .toList();
        candidates.forEach(scorer::checkIds);
        BatchScorer.Scored<NextScores> scored =
                scorer.inBatches(
                        contexts,
                        new Candidates(candidates),
                        batch ->
                                input.model()
                                        .scoreNext(
                                                batch.stream().map(contexts::get).toList(),
                                                batch.stream().map(candidates::get).toList()),
                        (answer, i) -> refuseNaN(answer));
        for (int g = 0; g < groups.size(); g++) {
            NextScores answer = scored.scores().get(g);
            for (int c = 0; c < groups.get(g).size(); c++) {
                ratings[groups.get(g).get(c)] =
                        new Rating(answer.logProbs()[c], answer.greedy()[c]);
            }
        }
        return scored.timing();
    }

    private void refuseNaN(NextScores answer) {
        for (float logProb : answer.logProbs()) {
            if (Float.isNaN(logProb)) {
                throw new IllegalStateException(
                        task
                                + ": the model's log-probability of an answer is not a number; a"
                                + " weight or an attention state overflowed");
            }
        }
    }

    private static Timing scoreRows(
            List<TokenPair> pairs, List<Integer> rows, Rating[] ratings, BatchScorer scorer) {
        List<int[]> sequences = rows.stream().map(row -> sequence(pairs.get(row))).toList();
        BatchScorer.Scored<TokenScores> scored = scorer.score(sequences);
        for (int i = 0; i < sequences.size(); i++) {
            int from = pairs.get(rows.get(i)).context().length;
            int to = sequences.get(i).length;
            TokenScores answer = scored.scores().get(i);
            ratings[rows.get(i)] = new Rating(answer.logProb(from, to), answer.isGreedy(from, to));
        }
        return scored.timing();
    }

    private static int[] sequence(TokenPair pair) {
        return IntStream.concat(IntStream.of(pair.context()), IntStream.of(pair.continuation()))
                .toArray();
    }
}
