package dev.tegu.eval;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * Results of several models side by side, and each alone as JSON.
 *
 * @param models the models, the one that others are compared with first, names all different
 */
public record EvalReport(List<ModelResults> models) {
    private static final String MISSING = "-";

    /**
     * @throws IllegalArgumentException if there is no model, or two have the same name
     */
    public EvalReport {
        models = List.copyOf(models);
        if (models.isEmpty()) {
            throw new IllegalArgumentException("models: expected at least one");
        }
        HashSet<String> names = new HashSet<>();
        for (ModelResults model : models) {
            if (!names.add(model.name())) {
                throw new IllegalArgumentException(
                        "models: two are named `" + model.name() + "`; give each its own name");
            }
        }
    }

    /**
     * One model's results in lm-evaluation-harness's shape, as a new tree that the caller may add
     * to: {@code results} -> task -> metric ({@code acc,none}, {@code acc_stderr,none}), {@code
     * n-samples}, {@code configs}, {@code versions}; {@code state_bytes_per_sequence} when known;
     * {@code timings}, which alone differ from run to run, last. It holds no date.
     *
     * @throws IllegalArgumentException if there is no such model
     */
    public ObjectNode json(String modelName) {
        return models.stream()
                .filter(model -> model.name().equals(modelName))
                .findFirst()
                .map(EvalJson::of)
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        "no model is named `" + modelName + "`"));
    }

    /** Aligned plain text: a row a metric, a column a model; an arrow points to the better side. */
    public String text() {
        return table().text() + grids();
    }

    /** Recall by length, a table a task and model. */
    private String grids() {
        StringBuilder text = new StringBuilder();
        for (ModelResults model : models) {
            for (TaskResult result : model.results()) {
                RecallGrid.of(result.samples())
                        .ifPresent(
                                grid ->
                                        text.append("\n")
                                                .append(result.task())
                                                .append(", ")
                                                .append(model.name())
                                                .append(": ")
                                                .append(grid.metric())
                                                .append(" by length\n")
                                                .append(grid.text()));
            }
        }
        return text.toString();
    }

    /** The same table in Markdown. */
    public String markdown() {
        return table().markdown();
    }

    /**
     * All that is known, in Markdown: the models side by side, every model against the first item
     * by item (where samples are known), and each model as lm-evaluation-harness's table with
     * intervals.
     */
    public String document() {
        StringBuilder text = new StringBuilder(markdown());
        PairedTable.of(models)
                .ifPresent(
                        paired ->
                                text.append("\n## Item by item\n\n")
                                        .append("p: McNemar's exact test where items are right or")
                                        .append(" wrong, else the paired t-test; two-sided.\n\n")
                                        .append(paired.markdown()));
        for (ModelResults model : models) {
            text.append("\n## ").append(model.name()).append("\n\n");
            text.append(HarnessTable.of(model.results()));
        }
        return text.toString();
    }

    private ReportTable table() {
        List<String> header = new ArrayList<>(List.of("task", "metric"));
        models.forEach(model -> header.add(model.name()));
        List<List<String>> rows = new ArrayList<>();
        List<String> bytes = new ArrayList<>(List.of("state", "bytes per sequence ↓"));
        for (ModelResults model : models) {
            bytes.add(
                    model.stateBytes().isPresent()
                            ? String.format(Locale.ROOT, "%,d", model.stateBytes().getAsLong())
                            : MISSING);
        }
        rows.add(bytes);
        firstResults().forEach((task, first) -> addRows(rows, task, first));
        return new ReportTable(header, 2, rows);
    }

    /** Every task with the first result that any model has of it, in order of appearance. */
    private Map<String, TaskResult> firstResults() {
        Map<String, TaskResult> first = new LinkedHashMap<>();
        for (ModelResults model : models) {
            model.results().forEach(result -> first.putIfAbsent(result.task(), result));
        }
        return first;
    }

    private void addRows(List<List<String>> rows, String task, TaskResult first) {
        List<String> samples = new ArrayList<>(List.of(task, "samples"));
        for (ModelResults model : models) {
            samples.add(
                    result(model, task)
                            .map(result -> Integer.toString(result.effectiveSamples()))
                            .orElse(MISSING));
        }
        for (Metric metric : first.metrics()) {
            String arrow = metric.higherIsBetter() ? " ↑" : " ↓";
            List<String> row = new ArrayList<>(List.of(task, metric.name() + arrow));
            for (ModelResults model : models) {
                row.add(
                        result(model, task)
                                .map(result -> format(result.metric(metric.name())))
                                .orElse(MISSING));
            }
            rows.add(row);
        }
        rows.add(samples);
    }

    private static Optional<TaskResult> result(ModelResults model, String task) {
        return model.results().stream().filter(result -> result.task().equals(task)).findFirst();
    }

    private static String format(Metric metric) {
        OptionalDouble error = metric.standardError();
        String value = String.format(Locale.ROOT, "%.4f", metric.value());
        return error.isPresent()
                ? value + String.format(Locale.ROOT, " ± %.4f", error.getAsDouble())
                : value;
    }
}
