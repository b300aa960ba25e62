package dev.tegu.eval.choice;

import dev.tegu.eval.AnswerCache;
import dev.tegu.eval.BatchScorer;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalProgress;
import dev.tegu.eval.TaskResult;
import dev.tegu.eval.choice.ChoiceQuestion.Choice;
import dev.tegu.model.LanguageModel;
import dev.tegu.model.TokenScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * Scores questions: a question whose answers are single tokens in one forward pass over its
 * context, every answer read from the same logits; any other with one sequence an answer, context
 * and answer, of which the answer's tokens count.
 *
 * <p>Rows are batched by length and padded on the right; the batch size changes a score by rounding
 * alone. Found on a CPU in float32, batches of 1 against up to 1,000: at most 2.4e-6 on models of a
 * few thousand weights, teacher and student (tested to 1e-5), and at most 3e-5, a millionth of the
 * score, on one of 14 million weights whose scores were sums down to -90. An answer that leads by
 * less than that may lose its lead in another batch.
 */
public final class ChoiceScorer {
    /** Which answers a task may have. */
    public enum Answers {
        /** Any number of tokens. */
        ANY,
        /** One token each; a question with another is refused before anything is scored. */
        SINGLE_TOKEN
    }

    /** Log-probabilities of a context's candidates. */
    private record Candidates(List<int[]> ids) implements BatchScorer.Kind<float[]> {
        @Override
        public String name() {
            return "next tokens";
        }

        @Override
        public int[] given(int index) {
            return ids.get(index);
        }

        @Override
        public double[] numbers(float[] answer) {
            return IntStream.range(0, answer.length).mapToDouble(i -> answer[i]).toArray();
        }

        @Override
        public float[] answer(double[] numbers) {
            float[] answer = new float[numbers.length];
            for (int i = 0; i < answer.length; i++) {
                answer[i] = (float) numbers[i];
            }
            return answer;
        }
    }

    private final LanguageModel model;
    private final AnswerCache cache;
    private final NextTokens nextTokens;
    private final int batchSize;
    private final String task;
    private final EvalProgress progress;

    /**
     * Keeps no answers.
     *
     * @param model the model; used from one thread
     * @param nextTokens the same model, {@link NextTokens#of}
     * @param batchSize rows given to the model at once, 1 or more
     * @param task name for progress and errors
     */
    public ChoiceScorer(
            LanguageModel model,
            NextTokens nextTokens,
            int batchSize,
            String task,
            EvalProgress progress) {
        this(model, AnswerCache.none(), nextTokens, batchSize, task, progress);
    }

    /**
     * Asks the input's model, and keeps answers in its cache.
     *
     * @param nextTokens the same model, {@link NextTokens#of}
     * @param batchSize rows given to the model at once, 1 or more
     * @param task name for progress and errors
     */
    public ChoiceScorer(
            EvalInput input,
            NextTokens nextTokens,
            int batchSize,
            String task,
            EvalProgress progress) {
        this(input.model(), input.cache(), nextTokens, batchSize, task, progress);
    }

    private ChoiceScorer(
            LanguageModel model,
            AnswerCache cache,
            NextTokens nextTokens,
            int batchSize,
            String task,
            EvalProgress progress) {
        this.model = model;
        this.cache = cache;
        this.nextTokens = nextTokens;
        this.batchSize = batchSize;
        this.task = task;
        this.progress = progress;
    }

    /**
     * Scores questions; everything that can be refused is, before the first forward pass.
     *
     * @param questions at least one; all with BOS, or all without
     * @throws IllegalArgumentException if an answer is several tokens and may not be, a question is
     *     longer than the model's positions (nothing is cut off), an id is not in the vocabulary,
     *     or the questions differ in BOS
     * @throws IllegalStateException if the model answers with numbers that are none
     */
    public ChoiceResult score(List<ChoiceQuestion> questions, Answers answers) {
        check(questions, answers);
        List<Integer> single = new ArrayList<>();
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < questions.size(); i++) {
            if (questions.get(i).isSingleToken()) {
                single.add(i);
                continue;
            }
            for (int c = 0; c < questions.get(i).choices().size(); c++) {
                rows.add(new Row(i, c));
            }
        }
        double[][] logProbs = new double[questions.size()][];
        int total = single.size() + rows.size();
        TaskResult.Timing first =
                scoreSingle(questions, single, logProbs, scorer(0, single.size(), total));
        TaskResult.Timing second =
                scoreRows(questions, rows, logProbs, scorer(single.size(), rows.size(), total));
        List<ChoiceScores> scores =
                IntStream.range(0, logProbs.length)
                        .mapToObj(i -> new ChoiceScores(questions.get(i), logProbs[i]))
                        .toList();
        return new ChoiceResult(
                scores,
                answers,
                new TaskResult.Timing(
                        first.processedTokens() + second.processedTokens(),
                        first.seconds() + second.seconds()));
    }

    /** One answer as a sequence of its own. */
    private record Row(int question, int choice) {}

    private void check(List<ChoiceQuestion> questions, Answers answers) {
        BatchScorer ids = scorer(0, 0, 0);
        for (ChoiceQuestion question : questions) {
            if (answers == Answers.SINGLE_TOKEN) {
                question.requireSingleToken();
            }
            int length = question.isSingleToken() ? question.context().length : question.longest();
            if (length > model.maxPositions()) {
                throw ChoiceQuestion.fault(
                        question.name(),
                        String.format(
                                Locale.ROOT,
                                "%d tokens, and the model takes %d; give fewer examples before it",
                                length,
                                model.maxPositions()));
            }
            ids.checkIds(question.context());
            question.choices().forEach(choice -> ids.checkIds(choice.ids()));
        }
        ChoiceResult.checkBos(questions);
    }

    private BatchScorer scorer(int before, int size, int total) {
        EvalProgress part =
                (name, done, all) -> {
                    // The second part's start is the first part's end, which was told already.
                    if (size > 0 && (done > 0 || before == 0)) {
                        progress.update(name, before + done, total);
                    }
                };
        return new BatchScorer(model, cache, batchSize, task, part);
    }

    private TaskResult.Timing scoreSingle(
            List<ChoiceQuestion> questions,
            List<Integer> single,
            double[][] logProbs,
            BatchScorer scorer) {
        List<int[]> contexts = single.stream().map(i -> questions.get(i).context()).toList();
        List<int[]> candidates = single.stream().map(i -> firstIds(questions.get(i))).toList();
        BatchScorer.Scored<float[]> scored =
                scorer.inBatches(
                        contexts,
                        new Candidates(candidates),
                        batch ->
                                nextTokens.logProbs(
                                        batch.stream().map(contexts::get).toList(),
                                        batch.stream().map(candidates::get).toList()),
                        (answer, i) ->
                                checkAnswer(
                                        questions.get(single.get(i)),
                                        candidates.get(i).length,
                                        answer));
        for (int i = 0; i < single.size(); i++) {
            float[] answer = scored.scores().get(i);
            logProbs[single.get(i)] =
                    IntStream.range(0, answer.length).mapToDouble(c -> answer[c]).toArray();
        }
        return scored.timing();
    }

    private static int[] firstIds(ChoiceQuestion question) {
        return question.choices().stream().mapToInt(choice -> choice.ids()[0]).toArray();
    }

    private void checkAnswer(ChoiceQuestion question, int expected, float[] answer) {
        if (answer.length != expected) {
            throw new IllegalStateException(
                    task + ": expected scores of " + expected + " tokens, got " + answer.length);
        }
        for (float logProb : answer) {
            if (Float.isNaN(logProb)) {
                throw new IllegalStateException(
                        task
                                + ": question `"
                                + question.name()
                                + "`: the model's log-probability of an answer is not a number; a"
                                + " weight or an attention state overflowed");
            }
        }
    }

    private static TaskResult.Timing scoreRows(
            List<ChoiceQuestion> questions,
            List<Row> rows,
            double[][] logProbs,
            BatchScorer scorer) {
        List<int[]> sequences = rows.stream().map(row -> sequence(questions, row)).toList();
        BatchScorer.Scored<TokenScores> scored = scorer.score(sequences);
        for (int i = 0; i < sequences.size(); i++) {
            Row row = rows.get(i);
            ChoiceQuestion question = questions.get(row.question());
            if (row.choice() == 0) {
                logProbs[row.question()] = new double[question.choices().size()];
            }
            logProbs[row.question()][row.choice()] =
                    scored.scores()
                            .get(i)
                            .logProb(question.context().length, sequences.get(i).length);
        }
        return scored.timing();
    }

    private static int[] sequence(List<ChoiceQuestion> questions, Row row) {
        ChoiceQuestion question = questions.get(row.question());
        Choice choice = question.choices().get(row.choice());
        return IntStream.concat(Arrays.stream(question.context()), Arrays.stream(choice.ids()))
                .toArray();
    }
}
