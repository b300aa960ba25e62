package dev.tegu.cli.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What a result file says of one task.
 *
 * @param task name of the task
 * @param alias how people read the name
 * @param items measured ones; of a group the sum over its tasks; 0 where the file does not say
 * @param values the headline first
 * @param subtasks names of the tasks of a group, none of others
 * @param isPart whether the task belongs to a group
 */
record TaskNumbers(
        String task,
        String alias,
        int items,
        List<Value> values,
        List<String> subtasks,
        boolean isPart) {
    private static final String ERROR = "_stderr";

    /**
     * One metric.
     *
     * @param metric name without its filter
     * @param filter of the answers, mostly {@code none}
     * @param value may be infinite
     * @param error standard error
     * @param higherIsBetter whether a larger number is a better one
     */
    record Value(
            String metric,
            String filter,
            double value,
            OptionalDouble error,
            boolean higherIsBetter) {
        /** The metric, with the filter where there is one. */
        String name() {
            return filter.equals("none") ? metric : metric + " (" + filter + ")";
        }

        /** Whether it is a share of right answers: between 0 and 1, the higher the better. */
        boolean isShare() {
            return higherIsBetter
                    && value >= 0
                    && value <= 1
                    && (metric.startsWith("acc")
                            || metric.startsWith("exact_match")
                            || metric.startsWith("contains"));
        }
    }

    /** All tasks of a file in the shape of lm-evaluation-harness, in its order. */
    static List<TaskNumbers> of(JsonNode json) {
        List<TaskNumbers> tasks = new ArrayList<>();
        List<String> parts = new ArrayList<>();
        json.path("group_subtasks")
                .forEach(names -> names.forEach(name -> parts.add(name.asText())));
        json.path("results")
                .properties()
                .forEach(
                        entry -> {
                            String task = entry.getKey();
                            List<Value> values = values(json, task, entry.getValue());
                            if (!values.isEmpty()) {
                                tasks.add(
                                        new TaskNumbers(
                                                task,
                                                alias(entry.getValue(), task),
                                                items(json, task),
                                                values,
                                                subtasks(json, task),
                                                parts.contains(task)));
                            }
                        });
        return tasks;
    }

    /** The number of that name and filter. */
    Optional<Value> value(Value like) {
        return values.stream()
                .filter(v -> v.metric().equals(like.metric()) && v.filter().equals(like.filter()))
                .findFirst();
    }

    Value headline() {
        return values.get(0);
    }

    private static String alias(JsonNode numbers, String task) {
        String alias = numbers.path("alias").asText(task).strip();
        return alias.startsWith("- ") ? alias.substring(2) : alias;
    }

    private static List<Value> values(JsonNode json, String task, JsonNode numbers) {
        List<Value> values = new ArrayList<>();
        numbers.properties()
                .forEach(
                        entry -> {
                            int comma = entry.getKey().indexOf(',');
                            if (comma < 0 || entry.getKey().substring(0, comma).endsWith(ERROR)) {
                                return;
                            }
                            String metric = entry.getKey().substring(0, comma);
                            String filter = entry.getKey().substring(comma + 1);
                            double error = number(numbers.path(metric + ERROR + "," + filter));
                            double value = number(entry.getValue());
                            if (Double.isNaN(value)) {
                                return;
                            }
                            values.add(
                                    new Value(
                                            metric,
                                            filter,
                                            value,
                                            Double.isFinite(error)
                                                    ? OptionalDouble.of(error)
                                                    : OptionalDouble.empty(),
                                            json.path("higher_is_better")
                                                    .path(task)
                                                    .path(metric)
                                                    .asBoolean(true)));
                        });
        return values;
    }

    private static int items(JsonNode json, String task) {
        List<String> parts = subtasks(json, task);
        return parts.isEmpty()
                ? json.path("n-samples").path(task).path("effective").asInt(0)
                : parts.stream().mapToInt(part -> items(json, part)).sum();
    }

    private static List<String> subtasks(JsonNode json, String task) {
        List<String> parts = new ArrayList<>();
        json.path("group_subtasks").path(task).forEach(name -> parts.add(name.asText()));
        parts.remove(task);
        return List.copyOf(parts);
    }

    /** A number, or the word that stands for one that JSON does not have; NaN for other words. */
    private static double number(JsonNode node) {
        if (node.isNumber()) {
            return node.asDouble();
        }
        return switch (node.asText()) {
            case "Infinity" -> Double.POSITIVE_INFINITY;
            case "-Infinity" -> Double.NEGATIVE_INFINITY;
            default -> Double.NaN;
        };
    }
}
