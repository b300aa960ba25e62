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
 * @param samples the items one by one, in the order of the data; none where the task keeps none,
 *     and of a group, whose subtasks have them
 * @param subtasks results of which this one is the summary, none unless it is a group
 * @param shots solved examples before each question, 0 or more
 * @param alias how people read the name, mostly the name itself
 */
public record TaskResult(
        String task,
        int version,
        List<Metric> metrics,
        int originalSamples,
        int effectiveSamples,
        long scoredTokens,
        Map<String, Object> config,
        Timing timing,
        List<Sample> samples,
        List<TaskResult> subtasks,
        int shots,
        String alias) {

    /**
     * What a task cost.
     *
     * @param processedTokens tokens given to the model, without padding
     * @param seconds wall-clock time of the model's work, above 0
     * @param asked sequences given to the model
     * @param sequences sequences that the task has; the others' answers were known already
     */
    public record Timing(long processedTokens, double seconds, int asked, int sequences) {
        /** Of a task of which nothing was known already, its sequences not counted. */
        public Timing(long processedTokens, double seconds) {
            this(processedTokens, seconds, 1, 1);
        }

        /** Tokens given to the model in a second. */
        public double tokensPerSecond() {
            return processedTokens / seconds;
        }

        /**
         * Samples answered in a second.
         *
         * @param samples what the task measured, known answers included
         */
        public double samplesPerSecond(int samples) {
            return samples * ((double) asked / sequences) / seconds;
        }

        /** Of two parts of a task, one after the other. */
        public Timing plus(Timing other) {
            return new Timing(
                    processedTokens + other.processedTokens,
                    seconds + other.seconds,
                    asked + other.asked,
                    sequences + other.sequences);
        }
    }

    /** Copies lists and map; the map keeps its order. */
    public TaskResult {
        metrics = List.copyOf(metrics);
        samples = List.copyOf(samples);
        subtasks = List.copyOf(subtasks);
        config = Collections.unmodifiableMap(new LinkedHashMap<>(config));
    }

    /** Of a single task without examples, its items not kept. */
    public TaskResult(
            String task,
            int version,
            List<Metric> metrics,
            int originalSamples,
            int effectiveSamples,
            long scoredTokens,
            Map<String, Object> config,
            Timing timing) {
        this(
                task,
                version,
                metrics,
                originalSamples,
                effectiveSamples,
                scoredTokens,
                config,
                timing,
                List.of(),
                List.of(),
                0,
                task);
    }

    /** The same with its items one by one. */
    public TaskResult withSamples(List<Sample> items) {
        return new TaskResult(
                task,
                version,
                metrics,
                originalSamples,
                effectiveSamples,
                scoredTokens,
                config,
                timing,
                items,
                subtasks,
                shots,
                alias);
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
