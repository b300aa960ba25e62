package dev.tegu.eval;

import dev.tegu.model.LanguageModel;
import dev.tegu.model.TokenScores;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.ObjIntConsumer;
import java.util.stream.Stream;

/**
 * Scores many sequences in {@link Batches} of similar length. Results are in the order of the
 * sequences.
 */
public final class BatchScorer {
    /**
     * What the model answered.
     *
     * @param scores one entry a sequence, in order
     * @param timing what was given to the model and the seconds it took
     */
    public record Scored<T>(List<T> scores, TaskResult.Timing timing) {}

    private static final Kind<TokenScores> TOKEN_SCORES =
            new Kind<>() {
                @Override
                public String name() {
                    return "token scores";
                }

                @Override
                public double[] numbers(TokenScores answer) {
                    int length = answer.logProbs().length;
                    double[] numbers = new double[2 * length];
                    for (int t = 0; t < length; t++) {
                        numbers[t] = answer.logProbs()[t];
                        numbers[length + t] = answer.greedy()[t] ? 1 : 0;
                    }
                    return numbers;
                }

                @Override
                public TokenScores answer(double[] numbers) {
                    int length = numbers.length / 2;
                    float[] logProbs = new float[length];
                    boolean[] greedy = new boolean[length];
                    for (int t = 0; t < length; t++) {
                        logProbs[t] = (float) numbers[t];
                        greedy[t] = numbers[length + t] == 1;
                    }
                    return new TokenScores(logProbs, greedy);
                }
            };

    private final LanguageModel model;
    private final int batchSize;
    private final String task;
    private final EvalProgress progress;
    private final AnswerCache cache;

    /**
     * How the answers to one kind of question are kept.
     *
     * @param <T> an answer
     */
    public interface Kind<T> {
        /** What is asked, and every choice that changes the answer; the same in every run. */
        String name();

        /** What is given beside the sequence of that index, for example ids to choose from. */
        default int[] given(int index) {
            return new int[0];
        }

        /** The answer as numbers, none lost. */
        double[] numbers(T answer);

        /** The answer that has these numbers. */
        T answer(double[] numbers);
    }

    /**
     * Asks the input's model, and keeps answers in its cache.
     *
     * @param batchSize sequences given to the model at once, 1 or more
     * @param task name for progress and errors
     */
    public BatchScorer(EvalInput input, int batchSize, String task, EvalProgress progress) {
        this(input.model(), input.cache(), batchSize, task, progress);
    }

    /**
     * Keeps no answers.
     *
     * @param batchSize sequences given to the model at once, 1 or more
     * @param task name for progress and errors
     */
    public BatchScorer(LanguageModel model, int batchSize, String task, EvalProgress progress) {
        this(model, AnswerCache.none(), batchSize, task, progress);
    }

    /**
     * @param cache that model's answers
     * @param batchSize sequences given to the model at once, 1 or more
     * @param task name for progress and errors
     */
    public BatchScorer(
            LanguageModel model,
            AnswerCache cache,
            int batchSize,
            String task,
            EvalProgress progress) {
        this.model = model;
        this.cache = cache;
        this.batchSize = batchSize;
        this.task = task;
        this.progress = progress;
    }

    /**
     * Rates whole sequences.
     *
     * @param sequences token ids, each at least one token
     * @throws IllegalArgumentException if an id is not in the model's vocabulary
     * @throws IllegalStateException if the model's answer has another length than the question, or
     *     a log-probability is not a number
     */
    public Scored<TokenScores> score(List<int[]> sequences) {
        return inBatches(
                sequences,
                TOKEN_SCORES,
                batch -> model.score(batch.stream().map(sequences::get).toList()),
                (answer, index) -> checkAnswer(sequences.get(index), answer));
    }

    /**
     * Asks anything about sequences, a batch at a time.
     *
     * @param sequences token ids, each at least one token
     * @param kind how answers are kept
     * @param ask gets the indices of one batch's sequences, answers in the same order
     * @param check throws for an answer that is wrong for the sequence of that index; called after
     *     each batch, so that hours are not spent on the rest
     * @throws IllegalArgumentException if an id is not in the model's vocabulary
     * @throws IllegalStateException if there are more or fewer answers than sequences
     */
    public <T> Scored<T> inBatches(
            List<int[]> sequences,
            Kind<T> kind,
            Function<List<Integer>, List<T>> ask,
            ObjIntConsumer<T> check) {
        sequences.forEach(this::checkIds);
        List<T> scores = new ArrayList<>(Collections.nCopies(sequences.size(), null));
        List<List<Integer>> unknown = new ArrayList<>();
        int done = 0;
        for (List<Integer> batch : Batches.of(sequences, batchSize)) {
            Optional<List<double[]>> known = cache.find(key(sequences, kind, batch));
            if (known.isPresent()) {
                accept(batch, known.get().stream().map(kind::answer).toList(), check, scores);
                done += batch.size();
            } else {
                unknown.add(batch);
            }
        }
        int asked = sequences.size() - done;
        long tokens = 0;
        progress.update(task, done, sequences.size());
        long start = System.nanoTime();
        for (List<Integer> batch : unknown) {
            List<T> answers = ask.apply(batch);
            accept(batch, answers, check, scores);
            cache.put(key(sequences, kind, batch), answers.stream().map(kind::numbers).toList());
            tokens += batch.stream().mapToLong(i -> sequences.get(i).length).sum();
            done += batch.size();
            progress.update(task, done, sequences.size());
        }
        double seconds = Math.max(1, System.nanoTime() - start) / 1e9;
        return new Scored<>(
                List.copyOf(scores),
                new TaskResult.Timing(tokens, seconds, asked, sequences.size()));
    }

    private <T> void accept(
            List<Integer> batch, List<T> answers, ObjIntConsumer<T> check, List<T> scores) {
        if (answers.size() != batch.size()) {
            throw new IllegalStateException(
                    task + ": asked " + batch.size() + " sequences, got " + answers.size());
        }
        for (int i = 0; i < batch.size(); i++) {
            check.accept(answers.get(i), batch.get(i));
            scores.set(batch.get(i), answers.get(i));
        }
    }

    private static AnswerKey key(List<int[]> sequences, Kind<?> kind, List<Integer> batch) {
        return AnswerKey.of(
                kind.name(),
                batch.stream().flatMap(i -> Stream.of(sequences.get(i), kind.given(i))).toList());
    }

    /**
     * Refuses ids that the model does not know.
     *
     * @throws IllegalArgumentException if an id is not in the model's vocabulary
     */
    public void checkIds(int[] sequence) {
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
