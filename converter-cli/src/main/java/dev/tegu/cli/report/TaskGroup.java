package dev.tegu.cli.report;

import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/** What kinds of tasks there are, in the order in which the page shows them. */
enum TaskGroup {
    KNOWLEDGE("Knowledge", "(mmlu|arc_|openbookqa|quiz).*"),
    READING("Reading and common sense", "(boolq|piqa|hellaswag|winogrande|lambada).*"),
    OTHER("Other tasks", ".*"),
    PERPLEXITY("Perplexity", ".*(perplexity|wikitext).*"),
    RECALL("Recall", "(recall|needle|mqar|passkey|niah_|ruler_|fda|swde|squad_completion).*");

    private final String title;
    private final Pattern names;

    TaskGroup(String title, String names) {
        this.title = title;
        this.names = Pattern.compile(names);
    }

    String title() {
        return title;
    }

    /** By the task's name; a stranger whose headline is a perplexity is one. */
    static TaskGroup of(TaskNumbers task) {
        Optional<TaskGroup> named =
                List.of(KNOWLEDGE, READING, PERPLEXITY, RECALL).stream()
                        .filter(group -> group.names.matcher(task.task()).matches())
                        .findFirst();
        return named.orElse(task.headline().metric().contains("perplexity") ? PERPLEXITY : OTHER);
    }
}
