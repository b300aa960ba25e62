package dev.tegu.eval.task;

import dev.tegu.eval.Sample;
import dev.tegu.eval.task.TaskSpec.OutputType;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One record's values of each metric.
 *
 * <p>A question that is asked in several orders of its options has beside the published order's
 * values {@code METRIC_rotation_N}, {@code METRIC_rotated}, their mean, and {@code consistency}: 1
 * if the same option was chosen in every order, else 0.
 *
 * @param answers the record's answers, by rotation, the published order first
 * @param metrics values by name, the headline first
 */
record TaskScore(List<TaskAnswer> answers, Map<String, Double> metrics) {

    /** Of a record's answers. */
    static TaskScore of(TaskSpec spec, List<TaskAnswer> answers) {
        TaskAnswer first = answers.get(0);
        Map<String, Double> metrics = new LinkedHashMap<>();
        if (spec.outputType() != OutputType.MULTIPLE_CHOICE) {
            for (MetricSpec metric : spec.metricList()) {
                metrics.put(metric.metric().word(), single(spec, metric, first));
            }
            return new TaskScore(answers, metrics);
        }
        if (first.text().isPresent()) {
            metrics.put(MetricKind.EXACT_MATCH.word(), right(spec, MetricKind.EXACT_MATCH, first));
        } else {
            for (MetricSpec metric : spec.metricList()) {
                metrics.put(metric.metric().word(), right(spec, metric.metric(), first));
            }
        }
        if (answers.size() > 1) {
            addRotations(spec, headline(spec, first), answers, metrics);
        }
        return new TaskScore(answers, metrics);
    }

    /** The metric that orders of options are compared by. */
    private static MetricKind headline(TaskSpec spec, TaskAnswer answer) {
        return answer.text().isPresent()
                ? MetricKind.EXACT_MATCH
                : spec.metricList().get(0).metric();
    }

    private static void addRotations(
            TaskSpec spec,
            MetricKind metric,
            List<TaskAnswer> answers,
            Map<String, Double> metrics) {
        double sum = 0;
        int same = option(spec, metric, answers.get(0));
        for (TaskAnswer answer : answers) {
            double right = right(spec, metric, answer);
            sum += right;
            metrics.put(metric.word() + "_rotation_" + answer.question().rotation(), right);
            same = option(spec, metric, answer) == same ? same : TaskAnswer.NONE;
        }
        metrics.put(metric.word() + "_rotated", sum / answers.size());
        metrics.put("consistency", same == TaskAnswer.NONE ? 0.0 : 1.0);
    }

    /** The option that was chosen, by its place in the published order. */
    private static int option(TaskSpec spec, MetricKind metric, TaskAnswer answer) {
        int choice = answer.choice(spec, metric);
        TaskQuestion question = answer.question();
        return choice == TaskAnswer.NONE
                ? choice
                : Math.floorMod(choice + question.rotation(), question.choices().size());
    }

    private static double right(TaskSpec spec, MetricKind metric, TaskAnswer answer) {
        return answer.choice(spec, metric) == answer.question().gold() ? 1 : 0;
    }

    private static double single(TaskSpec spec, MetricSpec metric, TaskAnswer answer) {
        return switch (metric.metric()) {
            case PERPLEXITY -> answer.ratings().get(0).logProb();
            case EXACT_MATCH ->
                    metric.compared(answer.filtered(spec))
                                    .equals(metric.compared(answer.question().target()))
                            ? 1
                            : 0;
            case CONTAINS ->
                    lower(answer.filtered(spec)).contains(lower(answer.question().target()))
                            ? 1
                            : 0;
            default -> answer.ratings().get(0).isGreedy() ? 1 : 0;
        };
    }

    private static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }

    /** The choices that were made, in every order, by their place in the order that was shown. */
    int[] places(TaskSpec spec) {
        MetricKind metric = headline(spec, answers.get(0));
        return answers.stream().mapToInt(answer -> answer.choice(spec, metric)).toArray();
    }

    /** The places of the right choice, in every order. */
    int[] rightPlaces() {
        return answers.stream().mapToInt(answer -> answer.question().gold()).toArray();
    }

    /** As lm-evaluation-harness's samples file has it; of several orders the published one. */
    Sample sample(TaskSpec spec, Map<String, Object> tags) {
        TaskAnswer first = answers.get(0);
        TaskQuestion question = first.question();
        Map<String, Object> all = new LinkedHashMap<>(tags);
        if (answers.size() > 1) {
            all.put("places", Arrays.stream(places(spec)).boxed().toList());
        }
        return new Sample(
                question.doc().id(),
                question.doc().fields(),
                question.target(),
                question.requests(),
                first.responses(),
                metrics,
                all);
    }
}
