package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.model.ModelWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model of some thousand weights, trained from scratch, and what can be done with it. */
final class PretrainCommandTest {
    private static final String CONFIG =
            """
            model:
              hidden_size: 24
              intermediate_size: 32
              num_hidden_layers: 2
              num_attention_heads: 2
              num_key_value_heads: 1
              max_position_embeddings: 512
            vocab_size: 420
            corpus: {train_documents: 60, validation_documents: 3, heldout_characters: 2000}
            output: OUTPUT
            device: cpu
            data: {sequence_length: 32}
            pretrain: {tokens: 5120, batch_size: 4, learning_rate: 1.0e-2, log_every: 1, save_every: 15}
            dtype: bfloat16
            """;

    @TempDir private static Path shared;
    private static Path output;
    private static Path config;
    private static Invocation trained;

    @TempDir private Path dir;

    @BeforeAll
    static void train() throws IOException {
        output = shared.resolve("out");
        config = shared.resolve("tiny.yaml");
        Files.writeString(config, CONFIG.replace("OUTPUT", output.toString()));
        trained = Invocation.of("pretrain", config.toString());
    }

    @Test
    void theModelIsADirectoryInTheHuggingFaceLayoutThatGenerates() throws IOException {
        Path model = output.resolve("model");

        assertEquals(0, trained.exitCode(), trained.err());
        assertEquals(model + "\n", trained.out());
        JsonNode json = new JsonMapper().readTree(model.resolve("config.json").toFile());
        assertEquals("llama", json.path("model_type").asText());
        assertEquals("[\"LlamaForCausalLM\"]", json.path("architectures").toString());
        assertEquals("bfloat16", json.path("torch_dtype").asText());
        assertEquals(12, json.path("head_dim").asInt());
        assertEquals(420, json.path("vocab_size").asInt());
        assertEquals(1, json.path("eos_token_id").asInt());
        assertTrue(json.path("tie_word_embeddings").asBoolean());
        for (String name : List.of("generation_config.json", "tokenizer_config.json")) {
            assertTrue(Files.exists(model.resolve(name)), name);
        }
        assertEquals(0, Invocation.of("verify", model.toString()).exitCode());
        Invocation text =
                Invocation.of(
                        "generate",
                        model.toString(),
                        "--prompt",
                        "The ",
                        "--max-new-tokens",
                        "3",
                        "--device",
                        "cpu");
        assertEquals(0, text.exitCode(), text.err());
        assertTrue(text.out().startsWith("The "), text.out());
    }

    @Test
    void theLossFalls() throws IOException {
        List<String> lines = Files.readAllLines(output.resolve("metrics.jsonl"));
        JsonMapper mapper = new JsonMapper();

        double before = mapper.readTree(lines.get(0)).path("validation_loss").asDouble();
        double after =
                mapper.readTree(lines.get(lines.size() - 1)).path("validation_loss").asDouble();

        assertEquals(Math.log(420), before, 0.2);
        assertTrue(after < before - 1.5, before + " to " + after);
    }

    @Test
    void aRunThatWasCutOffGoesOnToTheSameWeights() throws IOException {
        Path again = dir.resolve("again");
        String set = "output=" + again;
        assertEquals(0, Invocation.of("pretrain", config.toString(), "--set", set).exitCode());
        byte[] whole = Files.readAllBytes(again.resolve("model/model.safetensors"));
        byte[] metrics = Files.readAllBytes(again.resolve("metrics.jsonl"));
        remove(again.resolve("model"));
        remove(again.resolve("checkpoints/pretrain/step-40"));

        Invocation resumed = Invocation.of("pretrain", config.toString(), "--set", set, "--resume");

        assertEquals(0, resumed.exitCode(), resumed.err());
        assertTrue(resumed.err().contains("30 done before"), resumed.err());
        assertArrayEquals(whole, Files.readAllBytes(again.resolve("model/model.safetensors")));
        assertArrayEquals(metrics, Files.readAllBytes(again.resolve("metrics.jsonl")));
    }

    @Test
    void anOutputThatHoldsSomethingIsNotTouched() {
        Invocation second = Invocation.of("pretrain", config.toString());
        Invocation other =
                Invocation.of("pretrain", config.toString(), "--set", "seed=1", "--resume");

        assertEquals(4, second.exitCode());
        assertTrue(second.err().contains("is not empty"), second.err());
        assertEquals(4, other.exitCode());
        assertTrue(other.err().contains("other settings"), other.err());
    }

    @Test
    void aFinishedRunThatIsResumedIsDone() {
        Invocation run = Invocation.of("pretrain", config.toString(), "--resume");

        assertEquals(0, run.exitCode(), run.err());
        assertTrue(run.err().contains("written by an earlier run"), run.err());
    }

    @Test
    void textAndTokenizerMayBeGivenInsteadOfACorpus() throws IOException {
        Path text = Files.writeString(dir.resolve("a.txt"), "The cat sat on the mat. ".repeat(200));
        Path file =
                Files.writeString(
                        dir.resolve("own.yaml"),
                        """
                        model: {hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2}
                        tokenizer: %s
                        output: %s
                        data: {train: [%s], sequence_length: 16}
                        pretrain: {tokens: 64, batch_size: 2}
                        device: cpu
                        """
                                .formatted(output.resolve("corpus"), dir.resolve("own"), text));

        Invocation run = Invocation.of("pretrain", file.toString());

        assertEquals(0, run.exitCode(), run.err());
        assertFalse(Files.exists(dir.resolve("own/corpus")));
        assertTrue(Files.exists(dir.resolve("own/model/model.safetensors")));
    }

    @Test
    void settingsThatDoNotFitAreRefusedBeforeAnythingIsWritten() {
        Path none = dir.resolve("none");
        List<List<String>> wrong =
                List.of(
                        List.of("data.sequence_length=1024", "data.sequence_length"),
                        List.of("model.num_key_value_heads=3", "model.num_key_value_heads"),
                        List.of("model.hidden_size=25", "model.hidden_size"),
                        List.of("model.head_dim=3", "model.head_dim"),
                        List.of("tokenizer=" + dir, "tokenizer"),
                        List.of("data.train=[a.txt]", "data"),
                        List.of("vocab_size=200", "vocab_size"),
                        List.of("pretrain.token=1", "pretrain.token"));

        for (List<String> one : wrong) {
            Invocation run =
                    Invocation.of(
                            "pretrain",
                            config.toString(),
                            "--set",
                            one.get(0),
                            "--set",
                            "output=" + none);

            assertEquals(3, run.exitCode(), run.err());
            assertTrue(run.err().contains(": " + one.get(1) + ": "), one + " said " + run.err());
        }
        assertFalse(Files.exists(none));
    }

    @Test
    void anAblatedStudentStandsInAColumnBesideTheWholeOne() throws IOException {
        Path student = dir.resolve("student");
        AttentionSpec lolcats =
                ConfigBinder.bind(
                        ConfigNode.parse(
                                "{window: {size: 4}, linear_scope: outside_window}", "test"),
                        AttentionSpec.class);
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(output.resolve("model"))) {
            ModelWriter.student(files, lolcats, 0).write(student);
        }
        String[] arguments = {
            "eval",
            student.toString(),
            "--tasks",
            "perplexity",
            "--data",
            output.resolve("corpus/heldout.txt").toString(),
            "--device",
            "cpu",
            "--ablate",
            "window,linear"
        };

        Invocation table = Invocation.of(arguments);
        String[] withJson =
                Stream.concat(Stream.of(arguments), Stream.of("--json")).toArray(String[]::new);
        JsonNode json = new JsonMapper().readTree(Invocation.of(withJson).out());

        assertEquals(0, table.exitCode(), table.err());
        assertTrue(
                table.out()
                        .lines()
                        .findFirst()
                        .orElseThrow()
                        .matches(
                                "task +metric +student +student without window +student without"
                                        + " linear"),
                table.out());
        double whole = perplexity(json);
        double far = perplexity(json.path("ablations").path("window"));
        double near = perplexity(json.path("ablations").path("linear"));
        assertTrue(whole > 1 && far > 1 && near > 1, json.toString());
        assertTrue(whole != far && whole != near && far != near, json.toString());
    }

    @Test
    void whatATeacherDoesNotHaveCannotBeAblated() {
        Invocation run =
                Invocation.of(
                        "eval",
                        output.resolve("model").toString(),
                        "--tasks",
                        "recall",
                        "--ablate",
                        "window");
        Invocation unknown =
                Invocation.of("eval", "none", "--tasks", "recall", "--ablate", "windov");

        assertEquals(4, run.exitCode(), run.err());
        assertTrue(run.err().contains("has no window branch"), run.err());
        assertEquals("", run.out());
        assertEquals(2, unknown.exitCode());
        assertTrue(unknown.err().contains("expected window, linear"), unknown.err());
    }

    private static double perplexity(JsonNode json) {
        return json.path("results").path("perplexity").path("token_perplexity,none").asDouble();
    }

    private static void remove(Path tree) throws IOException {
        try (Stream<Path> files = Files.walk(tree)) {
            files.sorted(Comparator.reverseOrder())
                    .forEach(
                            file -> {
                                try {
                                    Files.delete(file);
                                } catch (IOException e) {
                                    throw new UncheckedIOException(e);
                                }
                            });
        }
    }
}
