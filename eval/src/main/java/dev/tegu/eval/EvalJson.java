package dev.tegu.eval;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.OptionalDouble;

/**
 * One model's results in the shape of lm-evaluation-harness's result files.
 *
 * <p>{@code results} -> task -> {@code alias}, {@code METRIC,none} and {@code METRIC_stderr,none}
 * ({@code "N/A"} where one sample gives none); {@code configs}, {@code versions}, {@code n-shot},
 * {@code higher_is_better} and {@code n-samples} ({@code original}, {@code effective}) by task;
 * {@code config} for the whole run; {@code model_name}. Beyond that shape: {@code
 * state_bytes_per_sequence} when known, {@code grids} of recall tasks (see {@link RecallGrid}), and
 * last {@code timings} by task, the only part that differs between two runs of the same model. No
 * date: a caller that wants one adds it at the end.
 *
 * <p>An infinite number stands as a string ({@code "Infinity"}), since JSON has none.
 */
final class EvalJson {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private EvalJson() {}

    static ObjectNode of(ModelResults model) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        ObjectNode results = json.putObject("results");
        ObjectNode configs = json.putObject("configs");
        ObjectNode versions = json.putObject("versions");
        ObjectNode shots = json.putObject("n-shot");
        ObjectNode directions = json.putObject("higher_is_better");
        ObjectNode samples = json.putObject("n-samples");
        putRun(json, model);
        putGrids(json, model);
        ObjectNode timings = json.putObject("timings");
        for (TaskResult result : model.results()) {
            ObjectNode numbers = results.putObject(result.task()).put("alias", result.task());
            ObjectNode better = directions.putObject(result.task());
            for (Metric metric : result.metrics()) {
                put(numbers, metric.key(), metric.value());
                put(numbers, metric.standardErrorKey(), metric.standardError());
                better.put(metric.name(), metric.higherIsBetter());
            }
            configs.set(result.task(), MAPPER.valueToTree(result.config()));
            versions.put(result.task(), result.version());
            shots.put(result.task(), 0);
            samples.putObject(result.task())
                    .put("original", result.originalSamples())
                    .put("effective", result.effectiveSamples())
                    .put("scored_tokens", result.scoredTokens());
            timings.putObject(result.task())
                    .put("processed_tokens", result.timing().processedTokens())
                    .put("seconds", result.timing().seconds())
                    .put("tokens_per_second", result.timing().tokensPerSecond());
        }
        return json;
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
        ObjectNode config = json.putObject("config").put("model", model.name());
        config.put("batch_size", settings.batchSize());
        settings.limit()
                .ifPresentOrElse(
                        limit -> config.put("limit", limit), () -> config.putNull("limit"));
        config.put("random_seed", settings.seed());
        json.put("model_name", model.name());
        model.stateBytes().ifPresent(bytes -> json.put("state_bytes_per_sequence", bytes));
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
