package dev.tegu.cli;

import ai.djl.Device;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.LinearAttention.Branch;
import dev.tegu.checkpoint.WeightsDigest;
import dev.tegu.cli.console.EvalConsole;
import dev.tegu.cli.pipeline.ModelAnswers;
import dev.tegu.cli.report.AttentionWords;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.eval.AnswerFile;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalReport;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.EvalTasks;
import dev.tegu.eval.Evaluator;
import dev.tegu.eval.HarnessFiles;
import dev.tegu.eval.ModelResults;
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
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
                        + " `scripts/tegu list tasks` has the tasks. With --output every answer is"
                        + " kept as it comes; --resume goes on with them after a kill.",
        footer = {
            "  scripts/tegu eval runs/demo/export --tasks perplexity,needle --data book.txt",
            "  scripts/tegu eval path/to/model --tasks mmlu,arc_easy,my/task.yaml --data folder"
                    + " --num-fewshot 5",
            "  scripts/tegu eval path/to/model --tasks recall --limit 20 --set recall.records=32"
                    + " --json",
            "  scripts/tegu eval runs/demo/export --tasks recall --ablate window,linear",
            "  scripts/tegu eval path/to/model --tasks wikitext --data wiki.test.raw --output"
                    + " results --resume"
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
                description =
                        "Names of tasks, or paths of task files (my/task.yaml), joined by commas.")
        private List<String> tasks;

        @Option(
                names = "--data",
                paramLabel = "PATH",
                description =
                        "Text file, or a directory: of .txt, .md or .tokens files for tasks that"
                                + " measure text, and with the files of all others in or below"
                                + " it.")
        private Path data;

        @Option(
                names = "--limit",
                paramLabel = "N",
                description =
                        "Samples of a task at most, of a group of each subject; all if not given.")
        private Integer limit;

        @Option(
                names = "--num-fewshot",
                paramLabel = "N",
                description =
                        "Solved examples before each question; if not given, the number that the"
                                + " task says.")
        private Integer numFewshot;

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
                description =
                        "Write results.json, results.md and lm-evaluation-harness's files"
                                + " (MODEL/results_TIME.json, MODEL/samples_TASK_TIME.jsonl) there"
                                + " too, and keep answers in MODEL/answers.bin.")
        private Path dir;

        @Option(
                names = "--resume",
                description =
                        "Use the answers that an evaluation with the same --output left; those of"
                                + " another model are not used.")
        private boolean resume;
    }

    @Override
    public void run() {
        EvalSettings settings = settings();
        EvalData data = data();
        if (output.resume && output.dir == null) {
            throw usage("--resume goes on with what is in --output: give that too");
        }
        List<ModelResults> results = new ArrayList<>();
        try {
            Optional<String> weights =
                    output.dir == null
                            ? Optional.empty()
                            : Optional.of(WeightsDigest.of(input.model));
            results.add(measure(name(), Set.of(), settings, data, weights));
            for (Branch branch : input.ablated) {
                String name = name() + " without " + Choice.written(branch);
                results.add(measure(name, Set.of(branch), settings, data, weights));
            }
            report(new EvalReport(results));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private ModelResults measure(
            String name,
            Set<Branch> ablated,
            EvalSettings settings,
            EvalData data,
            Optional<String> weights)
            throws IOException {
        Instant began = Instant.now();
        Device place = device.device();
        try (DecoderModel model =
                        AdaptedModels.load(input.model, place, ablated, device.type(place));
                HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(input.model);
                EvalConsole progress = new EvalConsole(console(), name)) {
            // All of them, so that a branch that is not there is found before anything is measured.
            input.ablated.forEach(branch -> refuseAbsent(branch, model.config()));
            OptionalLong bytes = OptionalLong.of(StateSize.atFullContext(model));
            if (weights.isEmpty()) {
                EvalInput all = new EvalInput(model, tokenizer, data);
                return new ModelResults(
                        name, bytes, settings, Evaluator.run(all, settings, progress));
            }
            Path file = HarnessFiles.folder(output.dir, name).resolve("answers.bin");
            try (AnswerFile answers =
                    ModelAnswers.open(
                            file, weights.get(), model, ablated, output.resume, console())) {
                EvalInput all = new EvalInput(model, tokenizer, data, answers);
                ModelResults results =
                        new ModelResults(
                                name, bytes, settings, Evaluator.run(all, settings, progress));
                Map<String, String> facts = new LinkedHashMap<>();
                facts.put("model_dtype", Choice.written(device.type(place)));
                facts.put("weights_sha256", weights.get());
                facts.put("device", place.toString());
                facts.put("attention", AttentionWords.of(model.config().linearAttention()));
                HarnessFiles.write(
                        output.dir,
                        results,
                        new HarnessFiles.Run(facts, model.maxPositions(), began, Instant.now()));
                return results;
            }
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
            EvalTasks.unknown(task)
                    .ifPresent(
                            message -> {
                                throw usage(message);
                            });
            if (input.data == null && EvalTasks.named(task).needsText()) {
                throw usage("task `" + task + "` needs text: give a file with --data");
            }
        }
        ConfigNode node =
                ConfigNode.parse("{}", SET)
                        .with(
                                "tasks",
                                input.tasks.stream().map(EvalCommand::quoted).toList().toString(),
                                "--tasks");
        if (input.limit != null) {
            node = node.with("limit", input.limit.toString(), "--limit");
        }
        if (input.numFewshot != null) {
            node = node.with("num_fewshot", input.numFewshot.toString(), "--num-fewshot");
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

    /** A path may hold what YAML gives a meaning to. */
    private static String quoted(String task) {
        return "'" + task.replace("'", "''") + "'";
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
            write("results.md", report.document());
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
