package dev.tegu.cli.pipeline;

import ai.djl.Device;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.Durable;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.InputException;
import dev.tegu.cli.console.Console;
import dev.tegu.cli.console.EvalConsole;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.analysis.Analysis;
import dev.tegu.eval.analysis.AnalysisJson;
import dev.tegu.eval.analysis.AnalysisResult;
import dev.tegu.eval.analysis.AnalysisSettings;
import dev.tegu.lora.AdaptedModels;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.MemoryType;
import dev.tegu.model.ModelConfig;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;

/**
 * A student beside its teacher, both in memory at once.
 *
 * @param teacher directory of the softmax model
 * @param student directory of a student or an export of it
 * @param type of both models' frozen weights in memory
 * @param console where progress goes
 */
public record ModelComparison(
        Path teacher, Path student, Device device, MemoryType type, Console console) {
    private static final String FILE = "analysis.json";

    /**
     * Measures both.
     *
     * @throws InputException if the models do not belong together
     * @throws dev.tegu.config.InvalidValueException if the text is too short for what is asked
     */
    public AnalysisResult run(EvalData data, AnalysisSettings settings) throws IOException {
        ModelConfig theirs = config(teacher);
        ModelConfig own = config(student);
        Analysis.misfit(theirs, own)
                .ifPresent(
                        message -> {
                            throw new InputException(teacher + ": " + message);
                        });
        Analysis analysis;
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(student)) {
            analysis = Analysis.of(tokenizer, data, settings, theirs, own);
        }
        try (DecoderModel first = DecoderModel.load(teacher, device, Set.of(), type);
                DecoderModel second = AdaptedModels.load(student, device, Set.of(), type);
                EvalConsole progress = new EvalConsole(console, "analysis")) {
            return analysis.run(first, second, progress);
        }
    }

    /** The result as JSON, with the models' names. */
    public ObjectNode json(AnalysisResult result) {
        return AnalysisJson.of(result, name(teacher), name(student));
    }

    /**
     * Writes {@code analysis.json}, replaced whole if it exists.
     *
     * @param dir made if it does not exist
     */
    public Path write(AnalysisResult result, Path dir) throws IOException {
        Files.createDirectories(dir);
        String text = json(result).toPrettyString() + "\n";
        Path file = dir.resolve(FILE);
        Durable.write(file, text.getBytes(StandardCharsets.UTF_8));
        return file;
    }

    private static String name(Path dir) {
        return String.valueOf(dir.toAbsolutePath().normalize().getFileName());
    }

    private static ModelConfig config(Path dir) throws IOException {
        return ModelConfig.parse(
                HuggingFaceDirectory.readConfig(dir), dir.resolve("config.json").toString());
    }
}
