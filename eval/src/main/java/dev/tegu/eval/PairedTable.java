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
        for (TaskResult task : HarnessFiles.leaves(first.results())) {
            for (ModelResults other : models.subList(1, models.size())) {
                HarnessFiles.leaves(other.results()).stream()
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
        Map<Integer, Sample> others = new LinkedHashMap<>();
        second.samples().forEach(sample -> others.put(sample.docId(), sample));
        List<Sample> shared =
                first.samples().stream().filter(s -> others.containsKey(s.docId())).toList();
        if (shared.isEmpty()) {
            return;
        }
        for (String metric : shared.get(0).metrics().keySet()) {
            double[] before = values(shared, metric);
            double[] after =
                    values(shared.stream().map(s -> others.get(s.docId())).toList(), metric);
            Paired paired = Paired.of(before, after);
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

    /** An item's value; of a quotient its own quotient. */
    private static double[] values(List<Sample> samples, String metric) {
        return samples.stream()
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
