package dev.tegu.eval;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a task measured.
 *
 * @param task name of the task
 * @param version rises whenever the task's numbers change for the same model and settings
 * @param metrics the numbers, the headline first, at least one
 * @param originalSamples samples that the settings and the data hold
 * @param effectiveSamples samples measured, fewer under a limit
 * @param scoredTokens tokens whose prediction counts
 * @param config settings that the numbers depend on, by key, values as JSON has them
 * @param timing what it cost; the only part that differs from run to run
 */
public record TaskResult(
        String task,
        int version,
        List<Metric> metrics,
        int originalSamples,
        int effectiveSamples,
        long scoredTokens,
        Map<String, Object> config,
        Timing timing) {

    /**
     * What a task cost.
     *
     * @param processedTokens tokens given to the model, without padding
     * @param seconds wall-clock time of the model's work, above 0
     */
    public record Timing(long processedTokens, double seconds) {
        /** Tokens given to the model in a second. */
        public double tokensPerSecond() {
            return processedTokens / seconds;
        }
    }

    /** Copies list and map; the map keeps its order. */
    public TaskResult {
        metrics = List.copyOf(metrics);
        config = Collections.unmodifiableMap(new LinkedHashMap<>(config));
    }

    /**
     * The metric of that name, for example {@code acc}.
     *
     * @throws IllegalArgumentException if the task has none
     */
    public Metric metric(String name) {
        return metrics.stream()
                .filter(metric -> metric.name().equals(name))
                .findFirst()
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        "task `" + task + "` has no metric `" + name + "`"));
    }
}
