package dev.tegu.eval;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/** Every model against the first, task by task, over the items that both have. */
final class PairedTable {
    private static final double LEAST_P = 1e-4;

    private PairedTable() {}

    /** A row a task, metric and model, in the tasks' order; nothing where no samples are known. */
    static Optional<ReportTable> of(List<ModelResults> models) {
        ModelResults first = models.get(0);
        List<List<String>> rows = new ArrayList<>();
        for (TaskResult task : first.results()) {
            for (ModelResults other : models.subList(1, models.size())) {
                other.results().stream()
                        .filter(result -> result.task().equals(task.task()))
                        .forEach(result -> add(rows, task, other.name(), result));
            }
        }
        List<String> header =
                List.of(
                        "task",
                        "metric per item",
                        "model",
                        "items",
                        "difference to " + first.name(),
                        "p");
        return rows.isEmpty() ? Optional.empty() : Optional.of(new ReportTable(header, 3, rows));
    }

    private static void add(
            List<List<String>> rows, TaskResult first, String model, TaskResult second) {
        Map<String, Sample> before = items(first);
        Map<String, Sample> after = items(second);
        List<String> shared = before.keySet().stream().filter(after::containsKey).toList();
        if (shared.isEmpty()) {
            return;
        }
        for (String metric : before.get(shared.get(0)).metrics().keySet()) {
            Paired paired =
                    Paired.of(values(shared, before, metric), values(shared, after, metric));
            rows.add(
                    List.of(
                            first.task(),
                            metric,
                            model,
                            Integer.toString(paired.items()),
                            number("%+.4f", paired.difference()) + error(paired.standardError()),
                            p(paired.pValue())));
        }
    }

    /** By task and document, of all tasks of a group. */
    private static Map<String, Sample> items(TaskResult result) {
        Map<String, Sample> items = new LinkedHashMap<>();
        for (TaskResult task : HarnessFiles.leaves(List.of(result))) {
            task.samples().forEach(s -> items.put(task.task() + " " + s.docId(), s));
        }
        return items;
    }

    /** An item's value; of a quotient its own quotient. */
    private static double[] values(List<String> items, Map<String, Sample> samples, String metric) {
        return items.stream()
                .map(samples::get)
                .mapToDouble(
                        sample ->
                                sample.metrics().getOrDefault(metric, Double.NaN)
                                        / sample.weights().getOrDefault(metric, 1.0))
                .toArray();
    }

    private static String error(OptionalDouble error) {
        return error.isPresent() ? number(" ± %.4f", error.getAsDouble()) : "";
    }

    private static String p(OptionalDouble p) {
        if (p.isEmpty()) {
            return "-";
        }
        return p.getAsDouble() < LEAST_P ? "< 0.0001" : number("%.4f", p.getAsDouble());
    }

    private static String number(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }
}
