package dev.tegu.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.cli.experiment.Methods;
import dev.tegu.eval.EvalTasks;
import dev.tegu.model.Architecture;
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
        footer = {"  scripts/tegu list methods", "  scripts/tegu list tasks --json"})
final class ListCommand extends TeguCommand {
    /** What can be listed. */
    enum Listing {
        METHODS,
        ARCHITECTURES,
        TASKS
    }

    @Parameters(paramLabel = "WHAT", description = "What to list: methods, architectures or tasks.")
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
        return switch (what) {
            case METHODS -> Methods.described();
            case ARCHITECTURES -> architectures();
            case TASKS -> tasks();
        };
    }

    private static Map<String, String> architectures() {
        Map<String, String> architectures = new LinkedHashMap<>();
        Architecture.NAMES.forEach(
                name ->
                        architectures.put(
                                name, "config.json with \"model_type\": \"" + name + "\""));
        return architectures;
    }

    private static Map<String, String> tasks() {
        Map<String, String> tasks = new LinkedHashMap<>();
        EvalTasks.all().forEach(task -> tasks.put(task.name(), task.description()));
        return tasks;
    }
}
