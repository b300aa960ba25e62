package dev.tegu.lora;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.config.ConfigNode;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.StateSize;
import dev.tegu.model.TeguVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The text of an export's README.md: what the model is, how to load it, its settings, what was
 * measured, and of which files it was made.
 *
 * <p>Settings and figures are those of the run that the student stands in, where it stands in one:
 * teacher, student and controls side by side. No dates and no folders: the same student gives the
 * same text.
 */
final class ModelCard {
    static final String FILE_NAME = "README.md";

    private static final String RUN_SETTINGS = "config.effective.yaml";

    /** Settings of a run that say how the weights came about; none of them names a folder. */
    private static final List<String> SHOWN =
            List.of("seed", "dtype", "matrix_orientation", "attention_transfer", "lora_finetune");

    private final StringBuilder text = new StringBuilder();

    private ModelCard() {}

    /**
     * @param student folder of the student that is exported
     * @param config the export's config.json
     * @param model the same, read
     * @param adapters what became of adapters, one sentence; may be empty
     * @param command the command that exports, without folders
     */
    static String of(
            Path student, ObjectNode config, ModelConfig model, String adapters, String command)
            throws IOException {
        ModelCard card = new ModelCard();
        card.head(config, model, adapters, method(student));
        card.use();
        card.attention(config, model);
        card.run(student);
        card.figures(student);
        card.origin(student, command);
        return card.text.toString();
    }

    private static String method(Path student) throws IOException {
        String method = "";
        if (Files.exists(student.resolve(Manifest.FILE_NAME))) {
            method = Manifest.read(student).properties().getOrDefault("method", "");
        }
        return method;
    }

    private void head(ObjectNode config, ModelConfig model, String adapters, String method) {
        String family = model.architecture().modelType();
        line("---");
        line("library_name: transformers");
        line("pipeline_tag: text-generation");
        line("tags: [tegu, linear-attention]");
        line("---");
        line("# A %s with linear attention", family);
        line("");
        line(
                "The softmax attention of a pretrained %s was replaced by linear attention and a"
                        + " window by Tegu %s%s.",
                family,
                TeguVersion.NUMBER,
                // a method file's folder is nobody's business
                method.isEmpty() ? "" : ", method `" + Path.of(method).getFileName() + "`");
        if (!adapters.isEmpty()) {
            line(adapters);
        }
        line("");
        long bytes =
                StateSize.of(model.linearAttention().orElseThrow(), model.shape())
                        * IntStream.range(0, model.numLayers()).filter(model::isLinear).count();
        line("| layers | heads | key/value heads | head width | vocabulary | weights |");
        line("| --- | --- | --- | --- | --- | --- |");
        line(
                "| %d | %d | %d | %d | %d | %s |",
                model.numLayers(),
                model.shape().numHeads(),
                model.shape().numKvHeads(),
                model.shape().headDim(),
                model.vocabSize(),
                dtype(config));
        line("");
        line("Its linearized layers keep %d bytes a sequence, however long the text is.", bytes);
        line("");
    }

    /** Type of the weights by PyTorch's name, under either of transformers' keys. */
    static String dtype(ObjectNode config) {
        String key = config.has("dtype") ? "dtype" : "torch_dtype";
        return config.path(key).asText("float32");
    }

    private void use() {
        line("## Use");
        line("");
        line("```python");
        line("from transformers import AutoModelForCausalLM, AutoTokenizer");
        line("");
        line("tokenizer = AutoTokenizer.from_pretrained(PATH, trust_remote_code=True)");
        line("model = AutoModelForCausalLM.from_pretrained(PATH, trust_remote_code=True)");
        line("ids = tokenizer(\"Once upon a time\", return_tensors=\"pt\")");
        line("print(tokenizer.decode(model.generate(**ids, max_new_tokens=50)[0]))");
        line("```");
        line("");
        line("With Tegu: `scripts/tegu generate PATH --prompt \"Once upon a time\"`.");
        line("");
    }

    private void attention(ObjectNode config, ModelConfig model) throws IOException {
        line("## Attention");
        line("");
        line("`linear_attention` of config.json:");
        line("");
        ConfigNode node =
                ConfigNode.parse(
                        config.get(ModelConfig.LINEAR_ATTENTION).toString(), "linear_attention");
        block("yaml", node.toYaml());
        if (model.readsWholeText()) {
            line("Its blocks are anchored at the end of a text: give texts whole, not in pieces.");
            line("");
        }
    }

    private void run(Path student) throws IOException {
        Path file = student.toAbsolutePath().resolveSibling(RUN_SETTINGS);
        if (!Files.isRegularFile(file)) {
            return;
        }
        ConfigNode settings = ConfigNode.parse(Files.readString(file), RUN_SETTINGS);
        Map<String, Object> shown = new LinkedHashMap<>();
        SHOWN.forEach(key -> settings.get(key).ifPresent(v -> shown.put(key, v.toPlain())));
        line("## Training");
        line("");
        block("yaml", ConfigNode.of(shown, RUN_SETTINGS).toYaml());
    }

    /** Figures beside those of the teacher and the controls, from the run's folder {@code eval}. */
    private void figures(Path student) throws IOException {
        Path folder = student.toAbsolutePath().resolveSibling("eval");
        Path ours = folder.resolve("student.json");
        if (!Files.isRegularFile(ours)) {
            return;
        }
        Map<String, JsonNode> models = new LinkedHashMap<>();
        addIfThere(models, "teacher", folder.resolve("teacher.json"));
        models.put("this model", StrictJson.read(ours).path("results"));
        for (String control : controls(student)) {
            addIfThere(models, control, folder.resolve(control + ".json"));
        }
        line("## Figures");
        line("");
        line("With their standard errors, as the run measured them.");
        line("");
        line("| task | metric | %s |", String.join(" | ", models.keySet()));
        line("| --- | --- |%s", " --- |".repeat(models.size()));
        for (Map.Entry<String, JsonNode> task : models.get("this model").properties()) {
            for (Map.Entry<String, JsonNode> metric : task.getValue().properties()) {
                String key = metric.getKey();
                if (key.contains("_stderr") || !key.contains(",")) {
                    continue;
                }
                StringBuilder row = new StringBuilder();
                models.values().forEach(m -> row.append(cell(m.path(task.getKey()), key)));
                line("| %s | %s |%s", task.getKey(), key.substring(0, key.indexOf(',')), row);
            }
        }
        line("");
    }

    private static void addIfThere(Map<String, JsonNode> models, String name, Path file)
            throws IOException {
        if (Files.isRegularFile(file)) {
            models.put(name, StrictJson.read(file).path("results"));
        }
    }

    private static List<String> controls(Path student) throws IOException {
        Path file = student.toAbsolutePath().resolveSibling(RUN_SETTINGS);
        List<String> names = new ArrayList<>();
        if (Files.isRegularFile(file)) {
            ConfigNode.parse(Files.readString(file), RUN_SETTINGS)
                    .get("controls")
                    .filter(node -> node.toPlain() instanceof List<?>)
                    .ifPresent(
                            node ->
                                    ((List<?>) node.toPlain())
                                            .forEach(name -> names.add(String.valueOf(name))));
        }
        return names;
    }

    private static String cell(JsonNode numbers, String key) {
        return " " + figure(numbers, key) + " |";
    }

    private static String figure(JsonNode numbers, String key) {
        JsonNode value = numbers.path(key);
        if (value.isMissingNode()) {
            return "";
        }
        JsonNode error = numbers.path(key.replace(",", "_stderr,"));
        return rounded(value) + (error.isNumber() ? " ± " + rounded(error) : "");
    }

    private static String rounded(JsonNode number) {
        return number.isNumber()
                ? String.format(Locale.ROOT, "%.4f", number.asDouble())
                : number.asText();
    }

    private void origin(Path student, String command) throws IOException {
        line("## Made by");
        line("");
        boolean isOfARun =
                Files.isRegularFile(student.toAbsolutePath().resolveSibling(RUN_SETTINGS));
        block("", (isOfARun ? "scripts/tegu run EXPERIMENT\n" : "") + command + "\n");
        if (!Files.exists(student.resolve(Manifest.FILE_NAME))) {
            return;
        }
        Manifest manifest = Manifest.read(student);
        List<String> rows = new ArrayList<>();
        for (Manifest.FileEntry file : manifest.files()) {
            rows.add("| " + file.name() + " | " + file.size() + " | " + file.sha256() + " |");
        }
        madeFrom(manifest.properties());
        line("of a student with these files; `manifest.json` has the digests of this folder's:");
        line("");
        line("| file | bytes | SHA-256 |");
        line("| --- | --- | --- |");
        rows.forEach(row -> line("%s", row));
    }

    /** Digests of the teacher and the texts, as far as the student knows them. */
    private void madeFrom(Map<String, String> facts) {
        Map<String, String> names = new LinkedHashMap<>();
        names.put("base_model_sha256", "the teacher's files");
        names.put("data.train_sha256", "the tokens trained on");
        names.put("data.validation_sha256", "the tokens held out");
        if (names.keySet().stream().noneMatch(facts::containsKey)) {
            return;
        }
        line("| made from | SHA-256 |");
        line("| --- | --- |");
        names.forEach(
                (key, what) -> {
                    if (facts.containsKey(key)) {
                        line("| %s | %s |", what, facts.get(key));
                    }
                });
        line("");
    }

    private void block(String language, String body) {
        line("```" + language);
        text.append(body);
        line("```");
        line("");
    }

    private void line(String format, Object... values) {
        text.append(values.length == 0 ? format : String.format(Locale.ROOT, format, values));
        text.append('\n');
    }
}
