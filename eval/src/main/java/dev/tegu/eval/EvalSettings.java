package dev.tegu.eval;

import dev.tegu.config.Default;
import dev.tegu.config.Flat;
import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.task.QuestionSettings;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;

/**
 * What an evaluation runs.
 *
 * @param tasks names of {@link EvalTasks} or paths of task files, at least one, none twice; run in
 *     this order
 * @param limit samples of a task at most, 1 or more: documents of {@code needle} and {@code
 *     recall}, windows of {@code perplexity}, pages of {@code wikitext}, the first records of a
 *     task that is a file; of a group, of each subject
 * @param perplexity settings of that task
 * @param needle settings of that task
 * @param recall settings of that task
 * @param longContext settings of the tasks by length
 * @param batchSize sequences given to the model at once, 1 or more; results do not depend on it
 * @param seed seed of the generated documents
 * @param questions how tasks that are files are measured
 * @param analysis whether an experiment's evaluation also says what the new attention does, layer
 *     by layer, in {@code analysis.json}
 */
public record EvalSettings(
        List<String> tasks,
        Optional<Integer> limit,
        @Default("{}") PerplexitySettings perplexity,
        @Default("{}") NeedleSettings needle,
        @Default("{}") RecallSettings recall,
        @Flat LongContextSettings longContext,
        @Default("8") int batchSize,
        @Default("0") long seed,
        @Flat QuestionSettings questions,
        @Default("false") boolean analysis) {

    /** Tasks by length, and tasks that are files, with their defaults; no analysis. */
    public EvalSettings(
            List<String> tasks,
            Optional<Integer> limit,
            PerplexitySettings perplexity,
            NeedleSettings needle,
            RecallSettings recall,
            int batchSize,
            long seed) {
        this(tasks, limit, perplexity, needle, recall, batchSize, seed, QuestionSettings.DEFAULTS);
    }

    /** Tasks by length with their defaults. */
    public EvalSettings(
            List<String> tasks,
            Optional<Integer> limit,
            PerplexitySettings perplexity,
            NeedleSettings needle,
            RecallSettings recall,
            int batchSize,
            long seed,
            QuestionSettings questions) {
        this(
                tasks,
                limit,
                perplexity,
                needle,
                recall,
                LongContextSettings.DEFAULTS,
                batchSize,
                seed,
                questions,
                false);
    }

    /**
     * @throws InvalidValueException if a task is unknown or named twice, or a number is out of
     *     range
     */
    public EvalSettings {
        tasks = List.copyOf(tasks);
        if (tasks.isEmpty()) {
            throw new InvalidValueException(
                    "tasks", "expected one or more of " + String.join(", ", EvalTasks.names()));
        }
        HashSet<String> seen = new HashSet<>();
        for (String task : tasks) {
            EvalTasks.unknown(task)
                    .ifPresent(
                            message -> {
                                throw new InvalidValueException("tasks", message);
                            });
            if (!seen.add(task)) {
                throw new InvalidValueException("tasks", "`" + task + "` stands there twice");
            }
        }
        limit.ifPresent(number -> Ranges.atLeast("limit", number, 1));
        Ranges.atLeast("batch_size", batchSize, 1);
    }

    /** How many of {@code samples} are left under the limit. */
    public int limited(int samples) {
        return Math.min(samples, limit.orElse(samples));
    }
}
