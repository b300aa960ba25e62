package dev.tegu.eval;

import dev.tegu.model.LanguageModel;
import dev.tegu.model.TokenScores;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Scores many sequences in batches of similar length, the longest first, so that little is padded
 * and a lack of memory shows at once. Results are in the order of the sequences.
 */
final class BatchScorer {
    /**
     * @param scores one entry a sequence, in order
     * @param timing tokens given to the model and the seconds it took
     */
    record Scored(List<TokenScores> scores, TaskResult.Timing timing) {}

    private final LanguageModel model;
    private final int batchSize;
    private final String task;
    private final EvalProgress progress;

    /**
     * @param task name for progress and errors
     */
    BatchScorer(LanguageModel model, int batchSize, String task, EvalProgress progress) {
        this.model = model;
        this.batchSize = batchSize;
        this.task = task;
        this.progress = progress;
    }

    /**
     * @param sequences token ids, each at least one token
     * @throws IllegalArgumentException if an id is not in the model's vocabulary
     * @throws IllegalStateException if the model's answer has another length than the question, or
     *     a log-probability is not a number
     */
    Scored score(List<int[]> sequences) {
        long tokens = 0;
        for (int[] sequence : sequences) {
            checkIds(sequence);
            tokens += sequence.length;
        }
        List<Integer> order =
                IntStream.range(0, sequences.size())
                        .boxed()
                        .sorted(Comparator.comparingInt((Integer i) -> -sequences.get(i).length))
                        .toList();
        TokenScores[] scores = new TokenScores[sequences.size()];
        progress.update(task, 0, scores.length);
        long start = System.nanoTime();
        for (int from = 0; from < scores.length; from += batchSize) {
            List<Integer> batch = order.subList(from, Math.min(from + batchSize, scores.length));
            List<TokenScores> answers = model.score(batch.stream().map(sequences::get).toList());
            if (answers.size() != batch.size()) {
                throw new IllegalStateException(
                        task + ": asked " + batch.size() + " sequences, got " + answers.size());
            }
            for (int i = 0; i < batch.size(); i++) {
                int index = batch.get(i);
                checkAnswer(sequences.get(index), answers.get(i));
                scores[index] = answers.get(i);
            }
            progress.update(task, from + batch.size(), scores.length);
        }
        double seconds = Math.max(1, System.nanoTime() - start) / 1e9;
        return new Scored(List.of(scores), new TaskResult.Timing(tokens, seconds));
    }

    private void checkIds(int[] sequence) {
        for (int id : sequence) {
            if (id < 0 || id >= model.vocabSize()) {
                throw new IllegalArgumentException(
                        task
                                + ": token id "
                                + id
                                + " is not in the model's vocabulary of "
                                + model.vocabSize()
                                + "; the tokenizer belongs to another model");
            }
        }
    }

    private void checkAnswer(int[] sequence, TokenScores answer) {
        int expected = sequence.length - 1;
        if (answer.logProbs().length != expected || answer.greedy().length != expected) {
            throw new IllegalStateException(
                    task
                            + ": expected scores of "
                            + expected
                            + " tokens, got "
                            + answer.logProbs().length);
        }
        for (int t = 0; t < expected; t++) {
            if (Float.isNaN(answer.logProbs()[t])) {
                throw new IllegalStateException(
                        task
                                + ": the model's log-probability of token "
                                + (t + 1)
                                + " of a sequence of "
                                + sequence.length
                                + " is not a number; a weight or an attention state overflowed");
            }
        }
    }
}
