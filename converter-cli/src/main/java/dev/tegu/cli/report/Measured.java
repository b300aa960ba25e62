package dev.tegu.cli.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.eval.Interval;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/** One model's results: a column of the page. */
final class Measured {
    /**
     * What a result file does not tell.
     *
     * @param attention in words, empty where it is not known
     * @param trained parameters that training changed, of all stages
     * @param positions tokens that the model takes, for which a growing state is told
     */
    record Facts(Optional<String> attention, OptionalLong trained, OptionalLong positions) {
        static final Facts NONE =
                new Facts(Optional.empty(), OptionalLong.empty(), OptionalLong.empty());
    }

    private static final String DIGEST = "weights_sha256";

    /** Parts of a result file that have an entry a task. */
    private static final List<String> BY_TASK =
            List.of(
                    "results",
                    "groups",
                    "group_subtasks",
                    "configs",
                    "versions",
                    "n-shot",
                    "higher_is_better",
                    "n-samples",
                    "task_hashes",
                    "grids",
                    "timings");

    private final String name;
    private final Path file;
    private final JsonNode json;
    private final Map<String, Path> samples;
    private final Facts facts;
    private final List<TaskNumbers> tasks;
    private final Map<String, Items> read = new HashMap<>();

    /**
     * @param name different from all others
     * @param file with the results
     * @param samples files by task
     */
    Measured(String name, Path file, JsonNode json, Map<String, Path> samples, Facts facts) {
        this.name = name;
        this.file = file;
        this.json = json;
        this.samples = Map.copyOf(samples);
        this.facts = facts;
        this.tasks = TaskNumbers.of(json);
    }

    Measured named(String other) {
        return new Measured(other, file, json, samples, facts);
    }

    String name() {
        return name;
    }

    Path file() {
        return file;
    }

    JsonNode json() {
        return json;
    }

    boolean hasSamples() {
        return !samples.isEmpty();
    }

    Facts facts() {
        return facts;
    }

    List<TaskNumbers> tasks() {
        return tasks;
    }

    Optional<TaskNumbers> task(String task) {
        return tasks.stream().filter(t -> t.task().equals(task)).findFirst();
    }

    OptionalLong stateBytes() {
        JsonNode bytes = json.path("state_bytes_per_sequence");
        return bytes.isNumber() ? OptionalLong.of(bytes.asLong()) : OptionalLong.empty();
    }

    /** Whether a state grows with the text, as softmax attention's does. */
    boolean grows() {
        return facts.attention().map("softmax"::equals).orElse(false);
    }

    /** Whether two files say the same of the same questions: they are of one model. */
    boolean isSameAs(Measured other) {
        return json.path("results").equals(other.json.path("results"))
                && json.path("configs").equals(other.json.path("configs"))
                && json.path("n-samples").equals(other.json.path("n-samples"))
                && json.path("state_bytes_per_sequence")
                        .equals(other.json.path("state_bytes_per_sequence"));
    }

    /** Whether another file is of the same model, which was asked other tasks there. */
    boolean isMoreOf(Measured other) {
        JsonNode digest = json.path("config").path(DIGEST);
        return digest.isTextual()
                && digest.equals(other.json.path("config").path(DIGEST))
                && name.equals(other.name)
                && facts.equals(other.facts)
                && stateBytes().equals(other.stateBytes())
                && tasks.stream().noneMatch(task -> other.task(task.task()).isPresent());
    }

    /** The tasks of both files; all else is this one's. */
    Measured with(Measured more) {
        ObjectNode all = json.deepCopy();
        for (String part : BY_TASK) {
            if (more.json.path(part) instanceof ObjectNode added) {
                all.withObjectProperty(part).setAll(added);
            }
        }
        Map<String, Path> files = new HashMap<>(samples);
        files.putAll(more.samples);
        return new Measured(name, file, all, files, facts);
    }

    /**
     * Whether both were asked a task in the same way, without which a difference says nothing: by
     * the digest of all its questions; where a file has none, by settings and number of items.
     */
    boolean isAskedAs(Measured other, String task) {
        List<String> parts = task(task).map(TaskNumbers::subtasks).orElse(List.of());
        if (!parts.isEmpty()) {
            return parts.stream().allMatch(part -> isAskedAs(other, part));
        }
        JsonNode hash = json.path("task_hashes").path(task);
        JsonNode otherHash = other.json.path("task_hashes").path(task);
        if (hash.isTextual() && otherHash.isTextual()) {
            return hash.equals(otherHash);
        }
        return json.path("configs").path(task).equals(other.json.path("configs").path(task))
                && json.path("n-samples")
                        .path(task)
                        .path("effective")
                        .equals(other.json.path("n-samples").path(task).path("effective"));
    }

    /**
     * A task's items; of a group all of its tasks'. None where samples were not kept.
     *
     * @throws UncheckedIOException if the file cannot be read
     */
    Items items(String task) {
        return read.computeIfAbsent(task, this::readItems);
    }

    private Items readItems(String task) {
        List<String> parts = task(task).map(TaskNumbers::subtasks).orElse(List.of());
        try {
            if (parts.isEmpty()) {
                return samples.containsKey(task) ? Items.read(samples.get(task)) : Items.none();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Map<String, Map<String, Double>> all = new LinkedHashMap<>();
        double chances = 0;
        int count = 0;
        boolean isChoice = true;
        for (String part : parts) {
            // not through the map of what was read, which is being changed
            Items items = readItems(part);
            items.metrics().forEach((key, value) -> all.put(part + " " + key, value));
            int size = items.metrics().size();
            count += size;
            isChoice &= size == 0 || items.chance().isPresent();
            chances += items.chance().orElse(0) * size;
        }
        return new Items(
                all,
                isChoice && count > 0
                        ? OptionalDouble.of(chances / count)
                        : OptionalDouble.empty());
    }

    /**
     * The 95 % interval of a number: Wilson's where every item is right or wrong, else 1.96
     * standard errors to each side.
     */
    Optional<Interval> interval(String task, TaskNumbers.Value value) {
        List<Double> values = new ArrayList<>();
        items(task)
                .metrics()
                .values()
                .forEach(item -> values.add(item.getOrDefault(value.metric(), Double.NaN)));
        boolean isCounted =
                value.isShare()
                        && !values.isEmpty()
                        && values.stream().allMatch(v -> v == 0 || v == 1);
        if (isCounted) {
            return Optional.of(Interval.wilson(value.value(), values.size()));
        }
        // All items right or all wrong: the error of 0 is none of the true share's.
        boolean isEnd = value.isShare() && value.error().orElse(0) == 0;
        return isEnd ? Optional.empty() : Interval.normal(value.value(), value.error());
    }
}
