package dev.tegu.eval.choice;

import dev.tegu.eval.MeanAndError;
import dev.tegu.eval.Metric;
import dev.tegu.eval.TaskResult;
import dev.tegu.eval.choice.ChoiceQuestion.Choice;
import dev.tegu.eval.choice.ChoiceScores.Measure;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * A model's answers to a set of questions, and their averages.
 *
 * <p>The micro average is over questions, so a subject counts by its size; the macro average is the
 * mean of the subjects' accuracies, each counting once. Papers report either as "MMLU".
 *
 * @param scores one entry a question, in order, at least one
 * @param answers which answers were allowed
 * @param timing what it cost
 */
public record ChoiceResult(
        List<ChoiceScores> scores, ChoiceScorer.Answers answers, TaskResult.Timing timing) {

    /**
     * @throws IllegalArgumentException if there is no question, or some have BOS and some not
     */
    public ChoiceResult {
        scores = List.copyOf(scores);
        checkBos(scores.stream().map(ChoiceScores::question).toList());
    }

    /** Whether every context began with BOS; otherwise none did. */
    public boolean bos() {
        return scores.get(0).question().bos().isPresent();
    }

    /**
     * Accuracy over questions with its sample standard error, which for accuracy a over n questions
     * is sqrt(a (1 - a) / (n - 1)): lm-evaluation-harness's {@code acc_stderr} of a task. (Of a
     * group of tasks that harness pools the spread within the tasks; that is smaller where subjects
     * differ in difficulty.)
     */
    public MeanAndError micro(Measure measure) {
        return accuracy(scores, measure);
    }

    /** {@link #micro} of each subject alone, in the order in which subjects first appear. */
    public Map<String, MeanAndError> subjects(Measure measure) {
        Map<String, List<ChoiceScores>> groups = new LinkedHashMap<>();
        for (ChoiceScores score : scores) {
            groups.computeIfAbsent(score.question().subject(), name -> new ArrayList<>())
                    .add(score);
        }
        Map<String, MeanAndError> accuracies = new LinkedHashMap<>();
        groups.forEach((subject, group) -> accuracies.put(subject, accuracy(group, measure)));
        return accuracies;
    }

    /**
     * Unweighted mean of the subjects' accuracies. Its standard error takes the subjects as given
     * and their questions as independent samples: sqrt(sum of the subjects' squared errors) over
     * the number of subjects; empty when a subject has a single question.
     */
    public MeanAndError macro(Measure measure) {
        Collection<MeanAndError> subjects = subjects(measure).values();
        double sum = 0;
        double squares = 0;
        for (MeanAndError subject : subjects) {
            double error = subject.standardError().orElse(Double.NaN);
            sum += subject.mean();
            squares += error * error;
        }
        OptionalDouble error =
                Double.isNaN(squares)
                        ? OptionalDouble.empty()
                        : OptionalDouble.of(Math.sqrt(squares) / subjects.size());
        return new MeanAndError(sum / subjects.size(), error);
    }

    /**
     * The numbers for a result file: {@code acc}, {@code acc_norm}, {@code acc_bytes} over
     * questions, then, of several subjects, {@code acc_macro} and so on.
     */
    public List<Metric> metrics() {
        List<Metric> metrics = new ArrayList<>();
        for (Measure measure : Measure.values()) {
            metrics.add(metric(measure.metric(), micro(measure)));
        }
        if (subjects(Measure.ACC).size() > 1) {
            for (Measure measure : Measure.values()) {
                metrics.add(metric(measure.metric() + "_macro", macro(measure)));
            }
        }
        return metrics;
    }

    /**
     * What the numbers depend on beside model and questions, for {@link TaskResult#config}: {@code
     * bos}, {@code answers} (any, single_token), {@code ties}, and {@code split_tokens}, the number
     * of answers with {@link Choice#splitsToken}.
     */
    public Map<String, Object> config() {
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("bos", bos());
        config.put("answers", answers.name().toLowerCase(Locale.ROOT));
        config.put("ties", "lowest index");
        config.put(
                "split_tokens",
                scores.stream()
                        .flatMap(score -> score.question().choices().stream())
                        .filter(Choice::splitsToken)
                        .count());
        return config;
    }

    /** Refuses a set of questions that is empty or mixes contexts with and without BOS. */
    static void checkBos(List<ChoiceQuestion> questions) {
        if (questions.isEmpty()) {
            throw new IllegalArgumentException("expected at least one question, found none");
        }
        ChoiceQuestion first = questions.get(0);
        for (ChoiceQuestion question : questions) {
            if (question.bos().isPresent() != first.bos().isPresent()) {
                throw ChoiceQuestion.fault(
                        question.name(),
                        (question.bos().isPresent() ? "begins" : "does not begin")
                                + " with BOS, unlike `"
                                + first.name()
                                + "`; encode all questions with one encoder");
            }
        }
    }

    private static MeanAndError accuracy(List<ChoiceScores> scores, Measure measure) {
        return MeanAndError.of(
                scores.stream().mapToDouble(score -> score.isRight(measure) ? 1 : 0).toArray());
    }

    private static Metric metric(String name, MeanAndError accuracy) {
        return new Metric(name, accuracy.mean(), accuracy.standardError(), true);
    }
}
