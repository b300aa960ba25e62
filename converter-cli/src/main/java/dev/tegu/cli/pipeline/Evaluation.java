package dev.tegu.cli.pipeline;

import ai.djl.Device;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.Durable;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.WeightsDigest;
import dev.tegu.cli.InputException;
import dev.tegu.cli.console.Console;
import dev.tegu.cli.console.EvalConsole;
import dev.tegu.cli.experiment.Control;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentConfig;
import dev.tegu.config.InvalidValueException;
import dev.tegu.engine.Engines;
import dev.tegu.eval.AnswerFile;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalReport;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.Evaluator;
import dev.tegu.eval.HarnessFiles;
import dev.tegu.eval.ModelResults;
import dev.tegu.eval.TaskResult;
import dev.tegu.eval.analysis.Analysis;
import dev.tegu.eval.analysis.AnalysisResult;
import dev.tegu.eval.analysis.AnalysisSettings;
import dev.tegu.lora.AdaptedModels;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.StateSize;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/** The evaluation of an experiment: teacher, student and controls side by side. */
public final class Evaluation {
    private static final String TABLE = "results.md";
    private static final JsonMapper JSON = new JsonMapper();

    private final Experiment experiment;
    private final EvalSettings settings;
    private final Console console;
    private final EvalData data;
    private final List<ModelResults> results = new ArrayList<>();

    /**
     * What was measured.
     *
     * @param table models side by side, for people
     * @param models each model's results by its name, in the shape of lm-evaluation-harness
     */
    public record Results(String table, Map<String, JsonNode> models) {
        /** Keeps the order. */
        public Results {
            models = Collections.unmodifiableMap(new LinkedHashMap<>(models));
        }
    }

    /**
     * Reads the texts and makes the documents, so that what is missing or does not fit is found
     * before hours of training.
     *
     * @param experiment one with the block {@code eval}
     * @param console where progress goes
     * @throws InputException if a text cannot be read
     * @throws InvalidValueException if a setting does not fit the model
     */
    public Evaluation(Experiment experiment, Console console) {
        this.experiment = experiment;
        this.settings = experiment.config().eval().orElseThrow();
        this.console = console;
        this.data = texts(experiment);
        check();
    }

    private void check() {
        Path teacher = Path.of(experiment.config().teacher());
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(teacher)) {
            ModelConfig model =
                    ModelConfig.parse(
                            HuggingFaceDirectory.readConfig(teacher),
                            teacher.resolve("config.json").toString());
            Evaluator.check(tokenizer, data, settings, model.maxPositions());
            if (settings.analysis()) {
                AnalysisSettings asked = AnalysisSettings.of(settings);
                Analysis.of(tokenizer, data, asked, model, model);
            }
        } catch (InvalidValueException e) {
            throw new InvalidValueException("eval." + e.key(), e.getMessage());
        } catch (IOException e) {
            throw new InputException(e.getMessage(), e);
        }
    }

    /**
     * Results that an earlier run of the same experiment left, if it came to its end.
     *
     * @param dir where they were written
     */
    public Optional<Results> earlier(Path dir) throws IOException {
        Path table = dir.resolve(TABLE);
        if (!Files.exists(table)) {
            return Optional.empty();
        }
        List<String> names = new ArrayList<>(List.of("teacher", "student"));
        names.addAll(experiment.config().controls());
        Map<String, JsonNode> models = new LinkedHashMap<>();
        for (String name : names) {
            models.put(name, JSON.readTree(Files.readString(dir.resolve(name + ".json"))));
        }
        return Optional.of(new Results(Files.readString(table), models));
    }

    /**
     * Measures the models one after the other. Answers are kept in {@code answers/} until all is
     * written, and used again by a run that was stopped.
     *
     * @param student directory of the student to measure, as it would be given away
     * @param dir where {@code NAME.json} of each model, {@code samples/NAME/samples_TASK.jsonl} and
     *     {@code results.md} go
     */
    public Results run(Path student, Path dir) throws IOException {
        ExperimentConfig config = experiment.config();
        Path teacher = Path.of(config.teacher());
        Device device = Engines.device(config.device());
        Path answers = dir.resolve("answers");
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(teacher)) {
            try (DecoderModel model =
                    DecoderModel.load(teacher, device, Set.of(), config.dtype())) {
                measure("teacher", model, tokenizer, answers, WeightsDigest.of(teacher));
            }
            try (DecoderModel model =
                    AdaptedModels.load(student, device, Set.of(), config.dtype())) {
                measure("student", model, tokenizer, answers, WeightsDigest.of(student));
            }
            for (String control : config.controls()) {
                try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher);
                        DecoderModel model = load(files, control, device)) {
                    measure(control, model, tokenizer, answers, WeightsDigest.of(teacher));
                }
            }
        }
        EvalReport report = new EvalReport(results);
        Files.createDirectories(dir);
        if (settings.analysis()) {
            ModelComparison comparison =
                    new ModelComparison(teacher, student, device, config.dtype(), console);
            AnalysisResult found = comparison.run(data, AnalysisSettings.of(settings));
            comparison.write(found, dir);
        }
        // A table says that everything else is there: none while they are written anew.
        Files.deleteIfExists(dir.resolve(TABLE));
        Map<String, JsonNode> models = new LinkedHashMap<>();
        for (ModelResults model : results) {
            JsonNode json = report.json(model.name());
            models.put(model.name(), json);
            write(dir, model.name() + ".json", json.toPrettyString() + "\n");
            writeSamples(dir.resolve("samples").resolve(model.name()), model);
        }
        write(dir, TABLE, report.document());
        Durable.deleteTree(answers);
        return new Results(report.text(), models);
    }

    private static void writeSamples(Path dir, ModelResults model) throws IOException {
        for (TaskResult task : HarnessFiles.leaves(model.results())) {
            if (!task.samples().isEmpty()) {
                Durable.createFolders(dir);
                HarnessFiles.writeSamples(dir.resolve("samples_" + task.task() + ".jsonl"), task);
            }
        }
    }

    private void measure(
            String name,
            DecoderModel model,
            HuggingFaceTextTokenizer tokenizer,
            Path answers,
            String weights)
            throws IOException {
        try (EvalConsole progress = new EvalConsole(console, name);
                AnswerFile known =
                        ModelAnswers.open(
                                answers.resolve(name + ".bin"),
                                // A control's new parameters are drawn from the seed.
                                weights + " seed " + experiment.config().seed(),
                                model,
                                Set.of(),
                                true,
                                console)) {
            EvalInput input = new EvalInput(model, tokenizer, data, known);
            results.add(
                    new ModelResults(
                            name,
                            OptionalLong.of(StateSize.atFullContext(model)),
                            settings,
                            Evaluator.run(input, settings, progress)));
        }
    }

    private DecoderModel load(HuggingFaceDirectory files, String control, Device device)
            throws IOException {
        ExperimentConfig config = experiment.config();
        ModelConfig model = control(files, control);
        return DecoderModel.load(
                files, model, device, config.seed(), config.dtype().of(files, model), false);
    }

    /** The teacher with a control's attention. */
    private ModelConfig control(HuggingFaceDirectory files, String name) {
        ModelConfig config =
                ModelConfig.parse(files.config(), files.path().resolve("config.json").toString());
        AttentionSpec spec = Control.of(name).spec(experiment.method(), config.shape());
        return config.withLinearAttention(Optional.of(spec));
    }

    private static EvalData texts(Experiment experiment) {
        List<EvalData.NamedText> texts = new ArrayList<>();
        try {
            if (experiment.config().data().isPresent()) {
                for (Path path : experiment.config().data().get().evaluationTexts()) {
                    texts.addAll(EvalData.load(path).texts());
                }
            }
        } catch (IOException e) {
            throw new InputException(e.getMessage(), e);
        }
        return new EvalData(texts);
    }

    private static void write(Path dir, String name, String text) throws IOException {
        Durable.write(dir.resolve(name), text.getBytes(StandardCharsets.UTF_8));
    }
}
