package dev.tegu.eval.task;

import dev.tegu.eval.MeanAndError;
import dev.tegu.eval.Metric;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Function;

/**
 * Averages over records.
 *
 * <p>Standard errors: of a task, sample standard deviation over the square root of the number of
 * records; of a perplexity that of the mean log-likelihood times the perplexity (first order; the
 * harness draws bootstrap samples). Of a group's micro average the harness's pooled one, which
 * counts the spread within the subjects alone: sqrt(sum of (n - 1) n e^2 / (N - k) / N) over k
 * subjects of n records and error e, N records in all. Of its macro average sqrt(sum of e^2) / k.
 */
final class TaskMetrics {
    private static final String PERPLEXITY = MetricKind.PERPLEXITY.word();

    private TaskMetrics() {}

    /**
     * Of one task.
     *
     * @param scores at least one
     */
    static List<Metric> of(TaskSpec spec, List<TaskScore> scores) {
        List<Metric> metrics = new ArrayList<>();
        for (String name : scores.get(0).metrics().keySet()) {
            metrics.add(metric(name, scores));
        }
        return withBias(spec, metrics, scores);
    }

    /**
     * Of a group: the micro average over all records, in which a subject counts by its size, then,
     * of the published order's metrics, {@code NAME_macro}, in which each counts once.
     *
     * @param members the subjects' scores, each at least one
     */
    static List<Metric> ofGroup(TaskSpec spec, List<List<TaskScore>> members) {
        List<TaskScore> all = members.stream().flatMap(List::stream).toList();
        List<Metric> micro = new ArrayList<>();
        List<Metric> macro = new ArrayList<>();
        for (String name : all.get(0).metrics().keySet()) {
            List<Metric> each = members.stream().map(scores -> metric(name, scores)).toList();
            Metric whole = metric(name, all);
            micro.add(
                    new Metric(name, whole.value(), pooled(each, members), whole.higherIsBetter()));
            if (MetricKind.isWord(name)) {
                macro.add(macro(name + "_macro", each));
            }
        }
        List<Metric> metrics = withBias(spec, micro, all);
        metrics.addAll(macro);
        return metrics;
    }

    private static Metric metric(String name, List<TaskScore> scores) {
        MeanAndError mean =
                MeanAndError.of(
                        scores.stream().mapToDouble(score -> score.metrics().get(name)).toArray());
        if (!name.equals(PERPLEXITY)) {
            return new Metric(name, mean.mean(), mean.standardError(), true);
        }
        double perplexity = Math.exp(-mean.mean());
        OptionalDouble error =
                mean.standardError().isPresent()
                        ? OptionalDouble.of(perplexity * mean.standardError().getAsDouble())
                        : OptionalDouble.empty();
        return new Metric(name, perplexity, error, false);
    }

    private static OptionalDouble pooled(List<Metric> each, List<List<TaskScore>> members) {
        double squares = 0;
        int records = 0;
        for (int i = 0; i < each.size(); i++) {
            int size = members.get(i).size();
            double error = each.get(i).standardError().orElse(0);
            squares += (size - 1.0) * size * error * error;
            records += size;
        }
        return records == each.size()
                ? OptionalDouble.empty()
                : OptionalDouble.of(Math.sqrt(squares / (records - each.size()) / records));
    }

    private static Metric macro(String name, List<Metric> each) {
        double sum = 0;
        double squares = 0;
        for (Metric metric : each) {
            double error = metric.standardError().orElse(Double.NaN);
            sum += metric.value();
            squares += error * error;
        }
        return new Metric(
                name,
                sum / each.size(),
                Double.isNaN(squares)
                        ? OptionalDouble.empty()
                        : OptionalDouble.of(Math.sqrt(squares) / each.size()),
                each.get(0).higherIsBetter());
    }

    /**
     * Adds {@code position_bias} where options were turned: half the sum over places of |share of
     * the answers there - share of the right answers there|. Asked in every order, all places are
     * right equally often, and 0 is a model that prefers none; 1 - 1/n one that always answers the
     * same of n.
     */
    private static List<Metric> withBias(
            TaskSpec spec, List<Metric> metrics, List<TaskScore> scores) {
        List<Metric> all = new ArrayList<>(metrics);
        if (scores.get(0).answers().size() > 1) {
            Map<String, Double> right = shares(scores, TaskScore::rightPlaces);
            Map<String, Double> chosen = places(spec, scores);
            double distance = chosen.getOrDefault(NO_PLACE, 0.0);
            for (Map.Entry<String, Double> place : right.entrySet()) {
                distance += Math.abs(chosen.getOrDefault(place.getKey(), 0.0) - place.getValue());
            }
            all.add(new Metric("position_bias", distance / 2, OptionalDouble.empty(), false));
        }
        return all;
    }

    /** Key of the answers that name no option. */
    private static final String NO_PLACE = "none";

    /** Share of the answers at each place, {@code A}, {@code B}, ..., over all orders. */
    static Map<String, Double> places(TaskSpec spec, List<TaskScore> scores) {
        return shares(scores, score -> score.places(spec));
    }

    private static Map<String, Double> shares(
            List<TaskScore> scores, Function<TaskScore, int[]> placesOf) {
        int options =
                scores.stream()
                        .mapToInt(score -> score.answers().get(0).question().choices().size())
                        .max()
                        .orElseThrow();
        Map<String, Double> counts = new LinkedHashMap<>();
        for (int i = 0; i < options; i++) {
            counts.put(letter(i), 0.0);
        }
        int total = 0;
        for (TaskScore score : scores) {
            for (int place : placesOf.apply(score)) {
                counts.merge(place < 0 ? NO_PLACE : letter(place), 1.0, Double::sum);
                total++;
            }
        }
        double all = total;
        counts.replaceAll((letter, count) -> count / all);
        return counts;
    }

    private static String letter(int place) {
        return Character.toString('A' + place);
    }
}
