package dev.tegu.eval;

import dev.tegu.eval.recall.RecallTasks;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The tasks there are, by name. */
public final class EvalTasks {
    private static final List<EvalTask> ALL =
            Stream.concat(
                            Stream.of(new PerplexityTask(), new NeedleTask(), new RecallTask()),
                            RecallTasks.all().stream())
                    .toList();

    private EvalTasks() {}

    /** Every task, in the order of a list for people. */
    public static List<EvalTask> all() {
        return ALL;
    }

    /** Names of every task, in the order of {@link #all()}. */
    public static List<String> names() {
        return ALL.stream().map(EvalTask::name).toList();
    }

    /**
     * The task of that name.
     *
     * @throws IllegalArgumentException if there is none; the message has the list and the nearest
     */
    public static EvalTask named(String name) {
        return ALL.stream()
                .filter(task -> task.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(unknown(name).orElseThrow()));
    }

    /** What is wrong with a task's name, or empty if it is one of {@link #names()}. */
    static Optional<String> unknown(String name) {
        if (names().contains(name)) {
            return Optional.empty();
        }
        String nearest =
                names().stream()
                        .min(Comparator.comparingInt(task -> EditDistance.between(name, task)))
                        .orElseThrow();
        String hint =
                EditDistance.between(name, nearest) <= Math.max(2, nearest.length() / 2)
                        ? " (did you mean `" + nearest + "`?)"
                        : "";
        return Optional.of(
                "unknown task `"
                        + name
                        + "`"
                        + hint
                        + "; the tasks are "
                        + String.join(", ", names()));
    }
}
