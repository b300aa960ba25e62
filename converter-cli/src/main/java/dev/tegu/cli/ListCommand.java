package dev.tegu.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.cli.experiment.Methods;
import dev.tegu.cli.picture.MethodPictures;
import dev.tegu.eval.EvalTasks;
import dev.tegu.model.Architecture;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Lists what can be named in configurations and on the command line. */
@Command(
        name = "list",
        header = "List the methods, architectures or tasks there are.",
        description =
                "%nFor a model at hand, `list methods --model DIR` says what each method would keep"
                        + " in memory; `--pictures DIR` draws what each token sees.",
        footer = {
            "  scripts/tegu list methods --model configs/demo/teacher",
            "  scripts/tegu list tasks --json"
        })
final class ListCommand extends TeguCommand {
    /** What can be listed. */
    enum Listing {
        METHODS,
        ARCHITECTURES,
        TASKS
    }

    @Parameters(paramLabel = "WHAT", description = "What to list: methods, architectures or tasks.")
    private Listing what;

    @ArgGroup(exclusive = false, heading = "%nInput:%n", order = 1)
    private Input input = new Input();

    @ArgGroup(exclusive = false, heading = JsonOption.HEADING, order = 2)
    private Output output = new Output();

    private static final class Input {
        @Option(
                names = "--model",
                paramLabel = "DIR",
                description = "With methods: size each one's state for this model.")
        private Path model;
    }

    private static final class Output extends JsonOption {
        @Option(
                names = "--pictures",
                paramLabel = "DIR",
                description =
                        "With methods: write a picture METHOD.svg of each into this directory,"
                                + " replacing older ones, and print their paths.")
        private Path pictures;
    }

    @Override
    public void run() {
        if (what != Listing.METHODS && (input.model != null || output.pictures != null)) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(), "--model and --pictures go with `list methods` only");
        }
        try {
            if (output.pictures != null) {
                draw(output.pictures);
            } else if (input.model != null) {
                size(MethodSizes.of(input.model));
            } else {
                list(entries());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void draw(Path dir) throws IOException {
        List<String> paths = new ArrayList<>();
        Files.createDirectories(dir);
        for (String name : AttentionPresets.NAMES) {
            Path picture = dir.resolve(name + ".svg");
            Files.writeString(picture, MethodPictures.svg(name));
            paths.add(picture.toString());
        }
        if (output.json) {
            out().println(new JsonMapper().valueToTree(Map.of("pictures", paths)));
        } else {
            paths.forEach(out()::println);
        }
    }

    private void size(MethodSizes sizes) {
        if (output.json) {
            out().println(sizes.json());
        } else {
            sizes.lines().forEach(out()::println);
        }
    }

    private void list(Map<String, String> entries) {
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
        for (String name : Architecture.NAMES) {
            List<String> special = Architecture.find(name).orElseThrow().specialties();
            architectures.put(
                    name, special.isEmpty() ? "the plain decoder" : String.join(", ", special));
        }
        return architectures;
    }

    private static Map<String, String> tasks() {
        Map<String, String> tasks = new LinkedHashMap<>();
        EvalTasks.all().forEach(task -> tasks.put(task.name(), task.description()));
        return tasks;
    }
}
