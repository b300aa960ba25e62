package dev.tegu.cli.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The models as columns and their tasks as rows.
 *
 * @param models the one that others are compared with first
 */
record Columns(List<Measured> models) {
    Measured baseline() {
        return models.get(0);
    }

    List<Measured> others() {
        return models.subList(1, models.size());
    }

    List<String> names() {
        return models.stream().map(Measured::name).toList();
    }

    /** Each task as the first model that has it tells it, parts of groups left out. */
    Map<TaskGroup, List<TaskNumbers>> tasks() {
        Map<TaskGroup, List<TaskNumbers>> groups = new LinkedHashMap<>();
        for (TaskGroup group : TaskGroup.values()) {
            List<TaskNumbers> tasks =
                    all().stream()
                            .filter(task -> !task.isPart())
                            .filter(task -> TaskGroup.of(task) == group)
                            .toList();
            if (!tasks.isEmpty()) {
                groups.put(group, tasks);
            }
        }
        return groups;
    }

    /** Every task, parts of groups too. */
    List<TaskNumbers> all() {
        Map<String, TaskNumbers> tasks = new LinkedHashMap<>();
        models.forEach(m -> m.tasks().forEach(t -> tasks.putIfAbsent(t.task(), t)));
        return new ArrayList<>(tasks.values());
    }
}
