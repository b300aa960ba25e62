package dev.tegu.cli.pipeline;

import ai.djl.Device;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.InputException;
import dev.tegu.cli.console.Console;
import dev.tegu.cli.console.EvalConsole;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentConfig;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.distill.data.DataSettings;
import dev.tegu.engine.Engines;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalReport;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.Evaluator;
import dev.tegu.eval.ModelResults;
import dev.tegu.lora.AdaptedModels;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.StateSize;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** The evaluation of an experiment: teacher, student and controls side by side. */
public final class Evaluation {
    private final Experiment experiment;
    private final EvalSettings settings;
    private final Console console;
    private final List<ModelResults> results = new ArrayList<>();

    /**
     * @param experiment one with the block {@code eval}
     * @param console where progress goes
     */
    public Evaluation(Experiment experiment, Console console) {
        this.experiment = experiment;
        this.settings = experiment.config().eval().orElseThrow();
        this.console = console;
    }

    /**
     * Measures the models one after the other.
     *
     * @param student directory of the student to measure, as it would be given away
     * @param dir where {@code NAME.json} of each model and {@code results.md} go
     */
    public EvalReport run(Path student, Path dir) throws IOException {
        ExperimentConfig config = experiment.config();
        Path teacher = Path.of(config.teacher());
        Device device = Engines.device(config.device());
        EvalData data = data();
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(teacher)) {
            try (DecoderModel model = DecoderModel.load(teacher, device)) {
                measure("teacher", model, tokenizer, data);
            }
            try (DecoderModel model = AdaptedModels.load(student, device)) {
                measure("student", model, tokenizer, data);
            }
            for (String control : config.controls()) {
                try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher);
                        DecoderModel model =
                                DecoderModel.load(
                                        files, control(files, control), device, config.seed())) {
                    measure(control, model, tokenizer, data);
                }
            }
        }
        EvalReport report = new EvalReport(results);
        Files.createDirectories(dir);
        for (ModelResults model : results) {
            String json = report.json(model.name()).toPrettyString();
            write(dir, model.name() + ".json", json + "\n");
        }
        write(dir, "results.md", report.markdown());
        return report;
    }

    private void measure(
            String name, DecoderModel model, HuggingFaceTextTokenizer tokenizer, EvalData data) {
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

    /** The student's method untrained, or a preset with the student's window. */
    private ModelConfig control(HuggingFaceDirectory files, String name) {
        AttentionSpec spec = experiment.method();
        if (!name.equals(ExperimentConfig.UNTRAINED)) {
            ConfigNode node = AttentionPresets.node(name);
            int window = spec.window().size();
            if (window > 0 && AttentionPresets.spec(name).window().size() > 0) {
                node = node.with("window.size", String.valueOf(window), "the student's window");
            }
            spec = ConfigBinder.bind(node, AttentionSpec.class);
        }
        return ModelConfig.parse(files.config(), files.path().resolve("config.json").toString())
                .withLinearAttention(Optional.of(spec));
    }

    private EvalData data() {
        List<EvalData.NamedText> texts = new ArrayList<>();
        List<String> paths =
                experiment.config().data().map(DataSettings::evaluationTexts).orElse(List.of());
        try {
            for (String path : paths) {
                texts.addAll(EvalData.load(Path.of(path)).texts());
            }
        } catch (IOException e) {
            throw new InputException(e.getMessage(), e);
        }
        return new EvalData(texts);
    }

    private static void write(Path dir, String name, String text) throws IOException {
        Path partial = dir.resolve("." + name + ".partial");
        Files.writeString(partial, text);
        Files.move(partial, dir.resolve(name), StandardCopyOption.REPLACE_EXISTING);
    }
}
