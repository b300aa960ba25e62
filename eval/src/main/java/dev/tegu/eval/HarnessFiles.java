package dev.tegu.eval;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.Durable;
import dev.tegu.tokenizer.PythonJson;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The files that lm-evaluation-harness leaves under {@code --output_path}: {@code
 * MODEL/results_TIMESTAMP.json} and {@code MODEL/samples_TASK_TIMESTAMP.jsonl}, in its names, keys
 * and way of writing JSON. docs/results-files.md says what stands in them and what does not.
 */
public final class HarnessFiles {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private HarnessFiles() {}

    /**
     * What only the caller knows of an evaluation.
     *
     * @param facts more of {@code config}: {@code model_dtype}, {@code device} and so on
     * @param maxLength tokens that the model takes
     * @param began when it began
     * @param ended when it ended; names the files
     */
    public record Run(Map<String, String> facts, int maxLength, Instant began, Instant ended) {
        /** Keeps the order. */
        public Run {
            facts = Collections.unmodifiableMap(new LinkedHashMap<>(facts));
        }
    }

    /**
     * Writes one model's files; the results last, so that they are there only with their samples.
     *
     * @param dir where the model's folder is made
     * @return the file with the results
     */
    public static Path write(Path dir, ModelResults model, Run run) throws IOException {
        Path folder = folder(dir, model.name());
        Durable.createFolders(folder);
        String time =
                HarnessNames.timestamp(
                        LocalDateTime.ofInstant(run.ended(), ZoneId.systemDefault()));
        for (TaskResult result : leaves(model.results())) {
            if (!result.samples().isEmpty()) {
                writeSamples(
                        folder.resolve("samples_" + result.task() + "_" + time + ".jsonl"), result);
            }
        }
        Path file = folder.resolve("results_" + time + ".json");
        Object json = MAPPER.convertValue(json(model, run), Object.class);
        Durable.write(file, PythonJson.dumps(json, 2).getBytes(StandardCharsets.UTF_8));
        return file;
    }

    /**
     * A model's folder: its name, characters that file systems do not take replaced as the harness
     * does.
     */
    public static Path folder(Path dir, String model) {
        return dir.resolve(HarnessNames.model(model));
    }

    /**
     * Writes a task's samples, one line each.
     *
     * @param file replaced if it is there
     */
    public static void writeSamples(Path file, TaskResult result) throws IOException {
        StringBuilder lines = new StringBuilder();
        result.samples().forEach(sample -> lines.append(SampleJson.line(sample)).append('\n'));
        Durable.write(file, lines.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** The results that are no groups, in order. */
    public static List<TaskResult> leaves(List<TaskResult> results) {
        return results.stream()
                .flatMap(
                        result ->
                                result.subtasks().isEmpty()
                                        ? List.of(result).stream()
                                        : leaves(result.subtasks()).stream())
                .toList();
    }

    private static ObjectNode json(ModelResults model, Run run) {
        ObjectNode json = EvalJson.of(model);
        ObjectNode config = json.withObjectProperty("config");
        run.facts().forEach(config::put);
        // What differs from run to run stands at the end.
        ObjectNode timings = json.withObjectProperty("timings");
        json.remove("timings");
        json.put("max_length", run.maxLength());
        json.set("timings", timings);
        double seconds = Duration.between(run.began(), run.ended()).toNanos() / 1e9;
        json.put("date", run.began().toEpochMilli() / 1e3);
        json.put("start_time", run.began().toEpochMilli() / 1e3);
        json.put("end_time", run.began().toEpochMilli() / 1e3 + seconds);
        json.put("total_evaluation_time_seconds", Double.toString(seconds));
        return json;
    }
}
