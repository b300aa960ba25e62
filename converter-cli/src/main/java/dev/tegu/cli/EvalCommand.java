package dev.tegu.cli;

import ai.djl.Device;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.LinearAttention.Branch;
import dev.tegu.cli.console.EvalConsole;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalReport;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.EvalTasks;
import dev.tegu.eval.Evaluator;
import dev.tegu.eval.ModelResults;
import dev.tegu.eval.TaskResult;
import dev.tegu.lora.AdaptedModels;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.StateSize;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures one model. */
@Command(
        name = "eval",
        header = "Measure a teacher or a student.",
        description =
                "%nPrints a table, or with --json an object in the shape of lm-evaluation-harness"
                        + " (of ablated students under `ablations`)."
                        + " `scripts/tegu list tasks` has the tasks.",
        footer = {
            "  scripts/tegu eval runs/demo/export --tasks perplexity,needle --data book.txt",
            "  scripts/tegu eval path/to/model --tasks recall --limit 20 --set recall.records=32"
                    + " --json",
            "  scripts/tegu eval runs/demo/export --tasks recall --ablate window,linear"
        })
final class EvalCommand extends TeguCommand {
    private static final String SET = "--set";

    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, heading = JsonOption.HEADING, order = 2)
    private Output output = new Output();

    @ArgGroup(exclusive = false, heading = "%nDevice:%n", order = 3)
    private ModelDeviceOptions device = new ModelDeviceOptions();

    private static final class Input extends ModelInput {
        @Option(
                names = "--tasks",
                required = true,
                split = ",",
                paramLabel = "LIST",
                description = "Names of tasks, joined by commas.")
        private List<String> tasks;

        @Option(
                names = "--data",
                paramLabel = "PATH",
                description = "Text file, or a directory of .txt, .md or .tokens files.")
        private Path data;

        @Option(
                names = "--limit",
                paramLabel = "N",
                description = "Samples of a task at most; all if not given.")
        private Integer limit;

        @Option(
                names = SET,
                paramLabel = "KEY=VALUE",
                description =
                        "Change a setting of a task, for example --set perplexity.context=512; may"
                                + " be repeated.")
        private Map<String, String> settings = new LinkedHashMap<>();

        @Option(
                names = "--ablate",
                split = ",",
                paramLabel = "LIST",
                description =
                        "window, linear or both, joined by a comma: measure a student without that"
                                + " branch of its attention too, each in a column of its own.")
        private Set<Branch> ablated = new LinkedHashSet<>();
    }

    private static final class Output extends JsonOption {
        @Option(
                names = "--output",
                paramLabel = "DIR",
                description = "Write results.json and results.md there too.")
        private Path dir;
    }

    @Override
    public void run() {
        EvalSettings settings = settings();
        EvalData data = data();
        List<ModelResults> results = new ArrayList<>();
        try {
            results.add(measure(name(), Set.of(), settings, data));
            for (Branch branch : input.ablated) {
                String name = name() + " without " + Choice.written(branch);
                results.add(measure(name, Set.of(branch), settings, data));
            }
            report(new EvalReport(results));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private ModelResults measure(
            String name, Set<Branch> ablated, EvalSettings settings, EvalData data)
            throws IOException {
        Device place = device.device();
        try (DecoderModel model =
                        AdaptedModels.load(input.model, place, ablated, device.type(place));
                HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(input.model);
                EvalConsole progress = new EvalConsole(console(), name)) {
            // All of them, so that a branch that is not there is found before anything is measured.
            input.ablated.forEach(branch -> refuseAbsent(branch, model.config()));
            List<TaskResult> results =
                    Evaluator.run(new EvalInput(model, tokenizer, data), settings, progress);
            OptionalLong bytes = OptionalLong.of(StateSize.atFullContext(model));
            return new ModelResults(name, bytes, settings, results);
        }
    }

    private void refuseAbsent(Branch branch, ModelConfig model) {
        boolean present =
                model.linearAttention()
                        .filter(
                                attention ->
                                        branch == Branch.WINDOW
                                                ? attention.window().size() > 0
                                                : attention.isLinear())
                        .isPresent();
        if (!present) {
            throw new InputException(
                    input.model
                            + ": has no "
                            + Choice.written(branch)
                            + " branch to leave out; --ablate is for students that have it");
        }
    }

    private String name() {
        return String.valueOf(input.model.toAbsolutePath().normalize().getFileName());
    }

    private EvalSettings settings() {
        for (String task : input.tasks) {
            if (!EvalTasks.names().contains(task)) {
                throw usage(
                        ("unknown task `" + task + "`; the tasks are ")
                                + String.join(", ", EvalTasks.names()));
            }
            if (input.data == null && EvalTasks.named(task).needsText()) {
                throw usage("task `" + task + "` needs text: give a file with --data");
            }
        }
        ConfigNode node =
                ConfigNode.parse("{}", SET)
                        .with("tasks", "[" + String.join(", ", input.tasks) + "]", "--tasks");
        if (input.limit != null) {
            node = node.with("limit", input.limit.toString(), "--limit");
        }
        for (Map.Entry<String, String> setting : input.settings.entrySet()) {
            node = node.with(setting.getKey(), setting.getValue(), SET);
        }
        EvalSettings settings = ConfigBinder.bind(node, EvalSettings.class);
        if (settings.analysis()) {
            throw usage(
                    SET
                            + " analysis=true: an analysis needs the teacher too; use"
                            + " `scripts/tegu analyze`");
        }
        return settings;
    }

    private EvalData data() {
        try {
            return input.data == null ? EvalData.none() : EvalData.load(input.data);
        } catch (IOException e) {
            throw new InputException(e.getMessage(), e);
        }
    }

    private void report(EvalReport report) throws IOException {
        ObjectNode json = report.json(name());
        for (Branch branch : input.ablated) {
            String word = Choice.written(branch);
            json.withObjectProperty("ablations")
                    .set(word, report.json(name() + " without " + word));
        }
        if (output.dir != null) {
            Files.createDirectories(output.dir);
            write("results.json", json.toPrettyString() + "\n");
            write("results.md", report.markdown());
        }
        if (output.json) {
            out().println(json);
        } else {
            out().print(report.text());
        }
    }

    private void write(String name, String text) throws IOException {
        Path partial = output.dir.resolve("." + name + ".partial");
        Files.writeString(partial, text);
        Files.move(partial, output.dir.resolve(name), StandardCopyOption.REPLACE_EXISTING);
    }

    private CommandLine.ParameterException usage(String message) {
        return new CommandLine.ParameterException(spec.commandLine(), message);
    }
}
