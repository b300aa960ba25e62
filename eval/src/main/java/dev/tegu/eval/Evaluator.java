package dev.tegu.eval;

import java.util.List;

/** Runs the tasks of the settings, one after the other. */
public final class Evaluator {
    private Evaluator() {}

    /**
     * @return one result a task, in the order of {@link EvalSettings#tasks()}
     * @throws IllegalArgumentException if data, settings and model do not fit each other, as {@link
     *     EvalTask#run} says; a missing text is found before the first task begins
     */
    public static List<TaskResult> run(
            EvalInput input, EvalSettings settings, EvalProgress progress) {
        List<EvalTask> tasks = settings.tasks().stream().map(EvalTasks::named).toList();
        for (EvalTask task : tasks) {
            if (task.needsText()) {
                input.data().required(task.name());
            }
        }
        return tasks.stream().map(task -> task.run(input, settings, progress)).toList();
    }
}
