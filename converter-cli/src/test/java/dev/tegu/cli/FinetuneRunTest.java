package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.model.ModelWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The ways of stage 2 through whole runs: full fine-tuning, distillation, half precision. */
final class FinetuneRunTest {
    @TempDir private static Path shared;

    private static Path config;

    @TempDir private Path dir;

    @BeforeAll
    static void writeTheTeacher() throws IOException {
        TinyTeacher.writeInto(shared);
        config = Files.writeString(shared.resolve("a.yaml"), TinyTeacher.experiment(shared));
    }

    private Invocation run(String command, String... sets) {
        List<String> arguments = new ArrayList<>(List.of(command, config.toString()));
        arguments.add("--set=output=" + dir.resolve("out"));
        arguments.add("--set=controls=[]");
        for (String set : sets) {
            arguments.add("--set=" + set);
        }
        return Invocation.of(arguments.toArray(new String[0]));
    }

    @Test
    void fullFinetuningWritesAStudentOfOtherWeightsAndNoAdapters() throws IOException {
        Path half = dir.resolve("half");
        try (HuggingFaceDirectory teacher = HuggingFaceDirectory.open(shared.resolve("teacher"))) {
            ModelWriter.copyOf(teacher).cast(DType.BF16).write(half);
        }

        Invocation run =
                run(
                        "run",
                        "teacher=" + half,
                        "lora_finetune={tokens: 256, batch_size: 4, learning_rate: 0.01, trains:"
                                + " [weight, feature_map]}");

        assertEquals(0, run.exitCode(), run.err());
        Path student = dir.resolve("out/student");
        assertFalse(Files.exists(student.resolve("adapter_model.safetensors")));
        assertEquals(0, Invocation.of("verify", student.toString()).exitCode());
        try (HuggingFaceDirectory before = HuggingFaceDirectory.open(half);
                HuggingFaceDirectory after = HuggingFaceDirectory.open(student);
                HuggingFaceDirectory export =
                        HuggingFaceDirectory.open(dir.resolve("out/export"))) {
            for (String name : before.names()) {
                assertEquals(DType.BF16, after.info(name).dtype(), name);
                boolean isBias = name.endsWith("k_proj.bias");
                // a bias of the keys shifts all of a query's scores
                assertTrue(isBias || !before.map(name).equals(after.map(name)), name);
            }
            assertEquals(after.names(), export.names());
        }
        JsonNode teacher = results("teacher");
        assertTrue(teacher.path("perplexity").size() > 0);
        assertFalse(teacher.equals(results("student")));
        Invocation eval =
                Invocation.of(
                        "eval",
                        dir.resolve("out/export").toString(),
                        "--tasks=perplexity",
                        "--data=" + shared.resolve("text.txt"),
                        "--limit=2",
                        "--set=perplexity.context=64",
                        "--set=perplexity.max_tokens=128",
                        "--device=cpu",
                        "--json");
        assertEquals(0, eval.exitCode(), eval.err());
        assertEquals(
                results("student").path("perplexity"),
                new JsonMapper().readTree(eval.out()).path("results").path("perplexity"));
    }

    private JsonNode results(String name) throws IOException {
        Path file = dir.resolve("out/eval").resolve(name + ".json");
        return new JsonMapper().readTree(file.toFile()).path("results");
    }

    @ParameterizedTest
    @CsvSource({"bfloat16", "float16"})
    void distillationInHalfPrecisionRunsFromConversionToEvaluation(String dtype)
            throws IOException {
        Invocation run =
                run(
                        "run",
                        "dtype=" + dtype,
                        "lora_finetune={tokens: 256, batch_size: 4, r: 2, log_every: 1, kl_weight:"
                                + " 1.0, kl_temperature: 2.0, lora_dropout: 0.1,"
                                + " layers_to_transform: [1], trains: [lora, feature_map],"
                                + " gradient_checkpointing: true}");

        assertEquals(0, run.exitCode(), run.err());
        Path student = dir.resolve("out/student");
        String adapters = Files.readString(student.resolve("adapter_config.json"));
        assertTrue(
                adapters.replaceAll("\\s", "").contains("\"layers_to_transform\":[1]"), adapters);
        try (HuggingFaceDirectory before = HuggingFaceDirectory.open(shared.resolve("teacher"));
                HuggingFaceDirectory after = HuggingFaceDirectory.open(student)) {
            for (String name : before.names()) {
                assertEquals(before.map(name), after.map(name), name);
            }
        }
        String metrics = Files.readString(dir.resolve("out/metrics.jsonl"));
        assertTrue(metrics.contains("lora_finetune"), metrics);
    }

    @ParameterizedTest
    @CsvSource({"auto, float32", "bfloat16, bfloat16"})
    void thePlanNamesTheTypeOfTheWeights(String dtype, String name) {
        Invocation plan =
                Invocation.of("train", config.toString(), "--dry-run", "--set=dtype=" + dtype);

        assertEquals(0, plan.exitCode(), plan.err());
        String line = plan.out().lines().skip(1).findFirst().orElseThrow();
        assertEquals("weights: " + name + " in memory", line);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "dtype=int8 | dtype",
                "dtype=bfloat16 lora_finetune.trains=[weight] | weights are trained in float32",
                "dtype=auto lora_finetune.trains=[weight] | set `dtype: float32`",
                "export.format=peft lora_finetune.trains=[feature_map] | does not name `lora`",
                "lora_finetune.trains=[gate] | lora_finetune.trains: the method has no parameters",
                "lora_finetune.layers_to_transform=[2] | lora_finetune.layers_to_transform: the"
            })
    void settingsThatDoNotFitAreRefusedBeforeAnythingIsWritten(String sets, String message) {
        Invocation train = run("train", sets.split(" "));

        assertEquals(3, train.exitCode(), train.err());
        assertTrue(train.err().contains(message), train.err());
        assertFalse(Files.exists(dir.resolve("out")));
    }
}
