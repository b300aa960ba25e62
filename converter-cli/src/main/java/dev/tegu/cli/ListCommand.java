package dev.tegu.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.eval.EvalTasks;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Lists what can be named in configurations and on the command line. */
@Command(
        name = "list",
        header = "List the methods, architectures or tasks there are.",
        footer = {"  scripts/tegu list tasks", "  scripts/tegu list tasks --json"})
final class ListCommand extends TeguCommand {
    /** What can be listed. */
    enum Listing {
        TASKS
    }

    @Parameters(paramLabel = "WHAT", description = "What to list: tasks.")
    private Listing what;

    @ArgGroup(exclusive = false, heading = JsonOption.HEADING)
    private JsonOption output = new JsonOption();

    @Override
    public void run() {
        Map<String, String> entries = entries();
        PrintWriter out = out();
        if (output.json) {
            out.println(new JsonMapper().valueToTree(entries));
            return;
        }
        int width = entries.keySet().stream().mapToInt(String::length).max().orElse(0);
        entries.forEach(
                (name, text) -> out.println(name + " ".repeat(width - name.length() + 2) + text));
    }

    private Map<String, String> entries() {
        Map<String, String> entries = new LinkedHashMap<>();
        switch (what) {
            case TASKS ->
                    EvalTasks.all().forEach(task -> entries.put(task.name(), task.description()));
        }
        return entries;
    }
}
