package dev.tegu.eval;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * One model's results as the table that lm-evaluation-harness prints ({@code make_table}), with a
 * column more: the 95 % interval, Wilson's where a metric is a share of right answers, else value
 * and 1.96 standard errors.
 */
final class HarnessTable {
    private static final List<String> HEADER =
            List.of(
                    "Tasks",
                    "Version",
                    "Filter",
                    "n-shot",
                    "Metric",
                    "",
                    "Value",
                    "",
                    "Stderr",
                    "95% interval");

    /** Columns of numbers, which stand at the right. */
    private static final List<Integer> NUMBERS = List.of(1, 3, 6);

    private static final int ERROR = 8;
    private static final String NONE = "   N/A";
    private static final int LEAST_WIDTH = 3;

    private HarnessTable() {}

    /** Lines in Markdown, each ended by a newline. */
    static String of(List<TaskResult> results) {
        List<List<String>> rows = new ArrayList<>();
        results.forEach(result -> add(rows, result, 0));
        boolean errorsAreNumbers = rows.stream().noneMatch(row -> row.get(ERROR).equals(NONE));
        int[] widths = new int[HEADER.size()];
        for (int i = 0; i < widths.length; i++) {
            int column = i;
            widths[i] =
                    Math.max(
                            Math.max(LEAST_WIDTH, HEADER.get(i).length()),
                            rows.stream()
                                    .mapToInt(row -> row.get(column).length())
                                    .max()
                                    .orElse(0));
        }
        StringBuilder text = new StringBuilder();
        StringBuilder rule = new StringBuilder();
        for (int i = 0; i < widths.length; i++) {
            int space = widths[i] - HEADER.get(i).length();
            text.append('|').append(" ".repeat(space / 2)).append(HEADER.get(i));
            text.append(" ".repeat(space - space / 2));
            boolean right = isRight(i, errorsAreNumbers);
            rule.append('|').append("-".repeat(widths[i] - (right ? 1 : 0)));
            rule.append(right ? ":" : "");
        }
        text.append("|\n").append(rule).append("|\n");
        for (List<String> row : rows) {
            for (int i = 0; i < widths.length; i++) {
                String space = " ".repeat(widths[i] - row.get(i).length());
                String cell = row.get(i);
                text.append('|');
                text.append(isRight(i, errorsAreNumbers) ? space + cell : cell + space);
            }
            text.append("|\n");
        }
        return text.toString();
    }

    private static boolean isRight(int column, boolean errorsAreNumbers) {
        return NUMBERS.contains(column) || column == ERROR && errorsAreNumbers;
    }

    private static void add(List<List<String>> rows, TaskResult result, int depth) {
        String name = depth == 0 ? result.alias() : " ".repeat(depth) + "- " + result.alias();
        String version = Integer.toString(result.version());
        List<Metric> metrics =
                result.metrics().stream().sorted(Comparator.comparing(Metric::name)).toList();
        for (Metric metric : metrics) {
            String interval =
                    interval(result, metric)
                            .map(range -> number(range.low()) + " to " + number(range.high()))
                            .orElse("");
            rows.add(
                    List.of(
                            name,
                            version,
                            "none",
                            Integer.toString(result.shots()),
                            metric.name(),
                            metric.higherIsBetter() ? "↑" : "↓",
                            number(metric.value()),
                            "±",
                            metric.standardError().isPresent()
                                    ? number(metric.standardError().getAsDouble())
                                    : NONE,
                            interval));
            name = "";
            version = "";
        }
        result.subtasks().forEach(part -> add(rows, part, depth + 1));
    }

    private static Optional<Interval> interval(TaskResult result, Metric metric) {
        List<Double> values =
                result.samples().stream()
                        .map(sample -> sample.metrics().get(metric.name()))
                        .collect(Collectors.toCollection(ArrayList::new));
        boolean isShare =
                !values.isEmpty()
                        && values.stream()
                                .allMatch(value -> value != null && (value == 0 || value == 1));
        return isShare
                ? Optional.of(Interval.wilson(metric.value(), values.size()))
                : Interval.normal(metric.value(), metric.standardError());
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.4f", value);
    }
}
