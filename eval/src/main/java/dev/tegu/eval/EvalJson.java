package dev.tegu.eval;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.OptionalDouble;

/**
 * One model's results in the shape of lm-evaluation-harness's result files.
 *
 * <p>{@code results} -> task -> {@code alias}, {@code METRIC,none} and {@code METRIC_stderr,none}
 * ({@code "N/A"} where one sample gives none); {@code groups} likewise, where there are some, and
 * {@code group_subtasks}; {@code configs}, {@code versions}, {@code n-shot}, {@code
 * higher_is_better} and {@code n-samples} ({@code original}, {@code effective}) by task; {@code
 * config} for the whole run; {@code task_hashes} of the tasks whose samples are known; {@code
 * model_source}, {@code model_name}, {@code model_name_sanitized}. Beyond that shape: {@code
 * scored_tokens} in {@code n-samples}; {@code state_bytes_per_sequence} when known; {@code grids}
 * of recall tasks, see {@link RecallGrid}; and last {@code timings} by task, the only part that
 * differs between two runs of the same model. No date: a caller that wants one adds it at the end.
 *
 * <p>An infinite number stands as a string ({@code "Infinity"}), since JSON has none.
 */
final class EvalJson {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final ObjectNode json = JsonNodeFactory.instance.objectNode();
    private final ObjectNode results = json.putObject("results");
    private final ObjectNode groups = JsonNodeFactory.instance.objectNode();
    private final ObjectNode subtasks = JsonNodeFactory.instance.objectNode();
    private final ObjectNode configs = JsonNodeFactory.instance.objectNode();
    private final ObjectNode versions = JsonNodeFactory.instance.objectNode();
    private final ObjectNode shots = JsonNodeFactory.instance.objectNode();
    private final ObjectNode directions = JsonNodeFactory.instance.objectNode();
    private final ObjectNode samples = JsonNodeFactory.instance.objectNode();
    private final ObjectNode hashes = JsonNodeFactory.instance.objectNode();
    private final ObjectNode timings = JsonNodeFactory.instance.objectNode();

    private EvalJson() {}

    static ObjectNode of(ModelResults model) {
        EvalJson parts = new EvalJson();
        model.results().forEach(result -> parts.add(result, 0));
        if (!parts.groups.isEmpty()) {
            parts.json.set("groups", parts.groups);
        }
        parts.json.set("group_subtasks", parts.subtasks);
        parts.json.set("configs", parts.configs);
        parts.json.set("versions", parts.versions);
        parts.json.set("n-shot", parts.shots);
        parts.json.set("higher_is_better", parts.directions);
        parts.json.set("n-samples", parts.samples);
        putRun(parts.json, model);
        parts.json.set("task_hashes", parts.hashes);
        parts.json.put("model_source", "tegu").put("model_name", model.name());
        parts.json.put("model_name_sanitized", HarnessNames.model(model.name()));
        model.stateBytes().ifPresent(bytes -> parts.json.put("state_bytes_per_sequence", bytes));
        putGrids(parts.json, model);
        parts.json.set("timings", parts.timings);
        return parts.json;
    }

    /**
     * @param depth groups that the result is part of
     */
    private void add(TaskResult result, int depth) {
        String task = result.task();
        // Subtasks are set in under their group, as the harness's tables have them.
        String alias = depth == 0 ? result.alias() : " ".repeat(depth) + "- " + result.alias();
        ObjectNode numbers = results.putObject(task).put("alias", alias);
        ObjectNode better = directions.putObject(task);
        for (Metric metric : result.metrics()) {
            put(numbers, metric.key(), metric.value());
            put(numbers, metric.standardErrorKey(), metric.standardError());
            better.put(metric.name(), metric.higherIsBetter());
        }
        versions.put(task, result.version());
        shots.put(task, result.shots());
        ArrayNode parts = subtasks.putArray(task);
        result.subtasks().forEach(part -> parts.add(part.task()));
        timings.putObject(task)
                .put("processed_tokens", result.timing().processedTokens())
                .put("seconds", result.timing().seconds())
                .put("tokens_per_second", result.timing().tokensPerSecond())
                .put(
                        "samples_per_second",
                        result.timing().samplesPerSecond(result.effectiveSamples()))
                .put("sequences", result.timing().sequences())
                .put("sequences_known", result.timing().sequences() - result.timing().asked());
        if (result.subtasks().isEmpty()) {
            addData(result);
        } else {
            groups.set(task, numbers.deepCopy());
            result.subtasks().forEach(part -> add(part, depth + 1));
        }
    }

    /** What the harness has of tasks alone, not of groups. */
    private void addData(TaskResult result) {
        configs.set(result.task(), MAPPER.valueToTree(HarnessNames.config(result)));
        samples.putObject(result.task())
                .put("original", result.originalSamples())
                .put("effective", result.effectiveSamples())
                .put("scored_tokens", result.scoredTokens());
        if (!result.samples().isEmpty()) {
            hashes.put(result.task(), SampleJson.taskHash(result.samples()));
        }
    }

    private static void putGrids(ObjectNode json, ModelResults model) {
        for (TaskResult result : model.results()) {
            RecallGrid.of(result.samples())
                    .ifPresent(
                            grid ->
                                    json.withObjectProperty("grids")
                                            .set(result.task(), grid.json()));
        }
    }

    private static void putRun(ObjectNode json, ModelResults model) {
        EvalSettings settings = model.settings();
        ObjectNode config =
                json.putObject("config")
                        .put("model", "tegu")
                        .put("model_args", "pretrained=" + model.name());
        config.put("batch_size", settings.batchSize());
        settings.limit()
                .ifPresentOrElse(
                        limit -> config.put("limit", limit.doubleValue()),
                        () -> config.putNull("limit"));
        config.put("random_seed", settings.seed());
    }

    private static void put(ObjectNode node, String key, OptionalDouble value) {
        if (value.isPresent()) {
            put(node, key, value.getAsDouble());
        } else {
            node.put(key, "N/A");
        }
    }

    private static void put(ObjectNode node, String key, double value) {
        if (Double.isFinite(value)) {
            node.put(key, value);
        } else {
            node.put(key, Double.toString(value));
        }
    }
}
