package dev.tegu.eval;

import dev.tegu.config.InvalidValueException;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Runs the tasks of the settings, one after the other. */
public final class Evaluator {
    private Evaluator() {}

    /**
     * Refuses settings that do not fit data and model, without a model.
     *
     * @param maxPositions tokens that the model takes
     * @throws IllegalArgumentException as {@link #run} does
     */
    public static void check(
            TextTokenizer tokenizer, EvalData data, EvalSettings settings, int maxPositions) {
        for (EvalTask task : tasks(data, settings)) {
            task.check(tokenizer, data, settings, maxPositions);
        }
    }

    private static List<EvalTask> tasks(EvalData data, EvalSettings settings) {
        List<EvalTask> tasks = settings.tasks().stream().map(EvalTasks::named).toList();
        Set<String> names = new HashSet<>();
        for (EvalTask task : tasks) {
            if (!names.add(task.name())) {
                throw new InvalidValueException(
                        "tasks",
                        "two tasks are named `" + task.name() + "`; rename the one in your file");
            }
        }
        for (EvalTask task : tasks) {
            if (task.needsText()) {
                data.required(task.name());
            }
        }
        return tasks;
    }

    /**
     * @return one result a task, in the order of {@link EvalSettings#tasks()}
     * @throws IllegalArgumentException if data, settings and model do not fit each other, as {@link
     *     EvalTask#run} says; a missing text is found before the first task begins
     */
    public static List<TaskResult> run(
            EvalInput input, EvalSettings settings, EvalProgress progress) {
        return tasks(input.data(), settings).stream()
                .map(task -> task.run(input, settings, progress))
                .toList();
    }
}
