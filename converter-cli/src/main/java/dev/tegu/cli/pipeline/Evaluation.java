package dev.tegu.cli.pipeline;

import ai.djl.Device;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.Durable;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.InputException;
import dev.tegu.cli.console.Console;
import dev.tegu.cli.console.EvalConsole;
import dev.tegu.cli.experiment.Control;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentConfig;
import dev.tegu.config.InvalidValueException;
import dev.tegu.engine.Engines;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalReport;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.Evaluator;
import dev.tegu.eval.ModelResults;
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
                checkAnalysis(tokenizer, model);
            }
        } catch (InvalidValueException e) {
            throw new InvalidValueException("eval." + e.key(), e.getMessage());
        } catch (IOException e) {
            throw new InputException(e.getMessage(), e);
        }
    }

    private void checkAnalysis(HuggingFaceTextTokenizer tokenizer, ModelConfig model) {
        try {
            Analysis.of(tokenizer, data, AnalysisSettings.of(settings), model, model);
        } catch (InvalidValueException e) {
            String key = e.key().equals("characters") ? "needle.characters" : "analysis";
            throw new InvalidValueException(key, e.getMessage());
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
     * Measures the models one after the other.
     *
     * @param student directory of the student to measure, as it would be given away
     * @param dir where {@code NAME.json} of each model and {@code results.md} go
     */
    public Results run(Path student, Path dir) throws IOException {
        ExperimentConfig config = experiment.config();
        Path teacher = Path.of(config.teacher());
        Device device = Engines.device(config.device());
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(teacher)) {
            try (DecoderModel model =
                    DecoderModel.load(teacher, device, Set.of(), config.dtype())) {
                measure("teacher", model, tokenizer);
            }
            try (DecoderModel model =
                    AdaptedModels.load(student, device, Set.of(), config.dtype())) {
                measure("student", model, tokenizer);
            }
            for (String control : config.controls()) {
                try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher);
                        DecoderModel model = load(files, control, device)) {
                    measure(control, model, tokenizer);
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
        }
        write(dir, TABLE, report.markdown());
        return new Results(report.text(), models);
    }

    private void measure(String name, DecoderModel model, HuggingFaceTextTokenizer tokenizer) {
        try (EvalConsole progress = new EvalConsole(console, name)) {
            results.add(
                    new ModelResults(
                            name,
                            OptionalLong.of(StateSize.atFullContext(model)),
                            settings,
                            Evaluator.run(
                                    new EvalInput(model, tokenizer, data), settings, progress)));
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
