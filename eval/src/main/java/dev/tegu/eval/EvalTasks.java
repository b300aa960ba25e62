package dev.tegu.eval;

import dev.tegu.config.Nearest;
import dev.tegu.eval.recall.RecallTasks;
import dev.tegu.eval.task.TaskLibrary;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The tasks there are, by name: those in Java, and those that are files. */
public final class EvalTasks {
    private static final List<EvalTask> IN_JAVA =
            Stream.concat(
                            Stream.of(
                                    new PerplexityTask(),
                                    new WikiTextTask(),
                                    new NeedleTask(),
                                    new RecallTask()),
                            RecallTasks.all().stream())
                    .toList();

    private EvalTasks() {}

    /** Every task, in the order of a list for people. */
    public static List<EvalTask> all() {
        List<EvalTask> all = new ArrayList<>(IN_JAVA);
        TaskLibrary.NAMES.forEach(name -> all.add(TaskLibrary.named(name).orElseThrow()));
        return all;
    }

    /** Names of every task, in the order of {@link #all()}. */
    public static List<String> names() {
        List<String> names = new ArrayList<>(IN_JAVA.stream().map(EvalTask::name).toList());
        names.addAll(TaskLibrary.NAMES);
        return names;
    }

    /**
     * The task of that name, a subject of a group ({@code mmlu_anatomy}), or the task in a file
     * ({@code my/task.yaml}).
     *
     * @throws IllegalArgumentException if there is none; the message has the list and the nearest
     * @throws dev.tegu.config.ConfigException if the file cannot be read or is no task
     */
    public static EvalTask named(String name) {
        return found(name)
                .orElseThrow(() -> new IllegalArgumentException(unknown(name).orElseThrow()));
    }

    /** What is wrong with a task's name, or empty if {@link #named} has the task. */
    public static Optional<String> unknown(String name) {
        if (TaskLibrary.isFile(name) || found(name).isPresent()) {
            return Optional.empty();
        }
        return Optional.of(
                "unknown task `"
                        + name
                        + "`"
                        + Nearest.hint(name, names())
                        + "; the tasks are "
                        + String.join(", ", names())
                        + ", and files ending in .yaml");
    }

    private static Optional<EvalTask> found(String name) {
        Optional<EvalTask> inJava =
                IN_JAVA.stream().filter(task -> task.name().equals(name)).findFirst();
        return inJava.isPresent() ? inJava : TaskLibrary.named(name).map(EvalTask.class::cast);
    }
}
