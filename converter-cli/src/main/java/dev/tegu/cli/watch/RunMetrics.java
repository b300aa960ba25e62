package dev.tegu.cli.watch;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.cli.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * What {@code metrics.jsonl} tells of a run, stage by stage.
 *
 * @param stages in the order in which they were trained
 */
record RunMetrics(List<StageMetrics> stages) {
    private static final JsonMapper MAPPER = new JsonMapper();

    /**
     * A loss at one step.
     *
     * @param step steps taken
     * @param tokens read so far, 0 where the line does not say
     * @param loss of the step or of the validation data; may be NaN or infinite
     * @param parts what it is made of, by name
     */
    record Point(long step, long tokens, double loss, Map<String, Part> parts) {}

    /**
     * @param loss in the unit of the total
     * @param relative as a part of the target's size; NaN where there is no such thing
     */
    record Part(double loss, double relative) {}

    /**
     * One stage.
     *
     * @param training steps that were reported
     * @param validation measurements
     */
    record StageMetrics(String name, List<Point> training, List<Point> validation) {
        /** Names of the parts of its losses, layers by their numbers. */
        List<String> parts() {
            TreeSet<String> names =
                    new TreeSet<>(
                            (a, b) ->
                                    a.length() == b.length()
                                            ? a.compareTo(b)
                                            : Integer.compare(a.length(), b.length()));
            training.forEach(point -> names.addAll(point.parts().keySet()));
            validation.forEach(point -> names.addAll(point.parts().keySet()));
            return List.copyOf(names);
        }

        /** Losses that are NaN or infinite, which no picture shows. */
        long notFinite() {
            return training.stream().filter(p -> !Double.isFinite(p.loss())).count()
                    + validation.stream().filter(p -> !Double.isFinite(p.loss())).count();
        }
    }

    /**
     * @param file may end in a line that is still being written, which is left out
     * @throws IOException if it cannot be read
     * @throws InputException if a line of it is not ours
     */
    static RunMetrics read(Path file) throws IOException {
        Map<String, StageMetrics> stages = new LinkedHashMap<>();
        String text = Files.readString(file);
        int number = 0;
        for (String line : text.substring(0, text.lastIndexOf('\n') + 1).lines().toList()) {
            JsonNode entry = parse(line, file + ":" + ++number);
            StageMetrics stage =
                    stages.computeIfAbsent(
                            entry.path("stage").asText(),
                            name -> new StageMetrics(name, new ArrayList<>(), new ArrayList<>()));
            if (entry.has("validation_loss")) {
                stage.validation().add(point(entry, "validation_loss"));
            } else if (entry.has("loss")) {
                stage.training().add(point(entry, "loss"));
            }
        }
        return new RunMetrics(List.copyOf(stages.values()));
    }

    private static JsonNode parse(String line, String place) {
        try {
            JsonNode entry = MAPPER.readTree(line);
            if (entry.path("stage").isTextual() && entry.path("step").isIntegralNumber()) {
                return entry;
            }
        } catch (JsonProcessingException e) {
            throw new InputException(
                    place + ": not a line of metrics: " + e.getOriginalMessage(), e);
        }
        throw new InputException(place + ": not a line of metrics: `stage` or `step` is missing");
    }

    private static Point point(JsonNode entry, String key) {
        Map<String, Part> parts = new LinkedHashMap<>();
        entry.path("parts")
                .properties()
                .forEach(
                        part ->
                                parts.put(
                                        part.getKey(),
                                        new Part(
                                                number(part.getValue().path("loss")),
                                                number(part.getValue().path("relative")))));
        return new Point(
                entry.path("step").asLong(),
                entry.path("tokens").asLong(),
                number(entry.path(key)),
                parts);
    }

    /** A number, or one of the words that stand for what JSON cannot say. */
    private static double number(JsonNode value) {
        if (value.isNumber()) {
            return value.asDouble();
        }
        return switch (value.asText()) {
            case "Infinity" -> Double.POSITIVE_INFINITY;
            case "-Infinity" -> Double.NEGATIVE_INFINITY;
            default -> Double.NaN;
        };
    }
}
