package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands that run a model, on real checkpoints beside the project. */
final class ModelCommandsTest {
    private static final Path SHARED = Path.of("../../shared");
    private static final Path STORIES = SHARED.resolve("models/stories260K-hf");

    @TempDir Path dir;

    @Test
    void greedyTextIsThatOfTheReference() throws IOException {
        assumeThere(STORIES);
        JsonNode expected =
                new JsonMapper()
                        .readTree(STORIES.resolve("reference.json").toFile())
                        .path("bos_greedy_200");

        Invocation run =
                Invocation.of(
                        "generate",
                        STORIES.toString(),
                        "--prompt",
                        "Once upon a time",
                        "--max-new-tokens",
                        "40",
                        "--greedy",
                        "--device",
                        "cpu");

        assertEquals(0, run.exitCode(), run.err());
        assertTrue(expected.path("text").asText().startsWith(run.out().strip()), run.out());
        assertTrue(run.err().startsWith("40 tokens in "), run.err());
    }

    @Test
    void generatedTokensAreInTheJson() throws IOException {
        assumeThere(STORIES);

        Invocation run =
                Invocation.of(
                        "generate",
                        STORIES.toString(),
                        "--prompt",
                        "Once upon a time",
                        "--max-new-tokens",
                        "3",
                        "--greedy",
                        "--json");

        JsonNode json = new JsonMapper().readTree(run.out());
        assertEquals("[1,403,407,261,378]", json.path("prompt_tokens").toString());
        assertEquals("[432,383,286]", json.path("tokens").toString());
    }

    @Test
    void logitsAndHiddenStatesAreThoseOfTransformers() throws IOException {
        Path model = SHARED.resolve("fixtures/llama-gqa");
        assumeThere(model);
        Path output = dir.resolve("out.safetensors");
        Path expected = model.resolve("expected.safetensors");

        Invocation run =
                Invocation.of(
                        "probe",
                        "logits",
                        model.toString(),
                        "--ids",
                        expected.toString(),
                        "--output",
                        output.toString(),
                        "--device",
                        "cpu");

        assertEquals(0, run.exitCode(), run.err());
        assertEquals(output + "\n", run.out());
        try (SafetensorsFile found = SafetensorsFile.open(output);
                SafetensorsFile reference = SafetensorsFile.open(expected)) {
            assertEquals(
                    "[hidden_states.0, hidden_states.1, hidden_states.2, hidden_states.3, logits]",
                    found.tensors().keySet().toString());
            for (String name : found.tensors().keySet()) {
                assertClose(name, floats(reference, name), floats(found, name));
            }
        }
    }

    @Test
    void theTypeOfTheWeightsIsChosen() throws IOException {
        Path model = TinyTeacher.writeInto(dir);
        Path text = Files.writeString(dir.resolve("b.txt"), "The cat sat on the mat. ".repeat(40));
        Map<String, Double> found = new TreeMap<>();

        for (String type : new String[] {"auto", "float32", "bfloat16", "float16"}) {
            Invocation run =
                    Invocation.of(
                            "eval",
                            model.toString(),
                            "--tasks=perplexity",
                            "--data=" + text,
                            "--device=cpu",
                            "--dtype=" + type,
                            "--json");
            assertEquals(0, run.exitCode(), run.err());
            JsonNode results = new JsonMapper().readTree(run.out()).path("results");
            double perplexity = results.path("perplexity").path("token_perplexity,none").asDouble();
            found.put(type, perplexity);
        }

        assertEquals(found.get("float32"), found.get("auto"));
        for (String half : new String[] {"bfloat16", "float16"}) {
            assertNotEquals(found.get("float32"), found.get(half));
            assertEquals(1, found.get(half) / found.get("float32"), 0.02);
        }
        assertEquals(2, Invocation.of("generate", "x", "--prompt=a", "--dtype=float64").exitCode());
    }

    @Test
    void anExperimentsTypeIsThatOfItsEvaluation() throws IOException {
        TinyTeacher.writeInto(dir);
        Map<String, Double> teacher = new TreeMap<>();

        for (String type : new String[] {"float32", "bfloat16"}) {
            Path config =
                    Files.writeString(
                            dir.resolve(type + ".yaml"),
                            """
                            teacher: DIR/teacher
                            method: lolcats
                            output: DIR/TYPE
                            device: cpu
                            dtype: TYPE
                            data: {train: [DIR/text.txt], validation: [DIR/text.txt], sequence_length: 32}
                            eval: {tasks: [perplexity], perplexity: {context: 64, max_tokens: 128}}
                            """
                                    .replace("DIR", dir.toString())
                                    .replace("TYPE", type));
            Invocation run = Invocation.of("run", config.toString());
            assertEquals(0, run.exitCode(), run.err());
            JsonNode results =
                    new JsonMapper().readTree(dir.resolve(type + "/eval/teacher.json").toFile());
            teacher.put(
                    type,
                    results.path("results")
                            .path("perplexity")
                            .path("token_perplexity,none")
                            .asDouble());
        }

        assertNotEquals(teacher.get("float32"), teacher.get("bfloat16"));
        assertEquals(1, teacher.get("bfloat16") / teacher.get("float32"), 0.02);
    }

    @Test
    void logitsOfAHalfModelAreWrittenAsFloat32() throws IOException {
        Path model = TinyTeacher.writeInto(dir);
        Path ids = dir.resolve("ids.safetensors");
        TensorSource tokens =
                TensorSource.of(
                        DType.I64,
                        List.of(1L, 3L),
                        () ->
                                ByteBuffer.allocate(24)
                                        .order(ByteOrder.LITTLE_ENDIAN)
                                        .putLong(5)
                                        .putLong(6)
                                        .putLong(7)
                                        .flip());
        SafetensorsWriter.replace(ids, Map.of("input_ids", tokens));
        Path output = dir.resolve("logits.safetensors");

        Invocation run =
                Invocation.of(
                        "probe",
                        "logits",
                        model.toString(),
                        "--ids=" + ids,
                        "--output=" + output,
                        "--device=cpu",
                        "--dtype=bfloat16");

        assertEquals(0, run.exitCode(), run.err());
        try (SafetensorsFile found = SafetensorsFile.open(output)) {
            assertEquals(DType.F32, found.info("hidden_states.1").dtype());
            float value = floats(found, "hidden_states.1").get(0);
            // a bfloat16 number: the lower half of the float32 is empty
            assertEquals(0, Float.floatToRawIntBits(value) & 0xffff);
        }
    }

    @Test
    void anEvaluationIsPrintedAndWritten() throws IOException {
        assumeThere(STORIES);
        Path text = Files.writeString(dir.resolve("a.txt"), "Once upon a time there was a dog. ");

        Invocation run =
                Invocation.of(
                        "eval",
                        STORIES.toString(),
                        "--tasks",
                        "perplexity",
                        "--data",
                        text.toString(),
                        "--output",
                        dir.resolve("eval").toString(),
                        "--json");

        assertEquals(0, run.exitCode(), run.err());
        JsonNode json = new JsonMapper().readTree(run.out());
        double perplexity =
                json.path("results").path("perplexity").path("token_perplexity,none").asDouble();
        assertTrue(perplexity > 1 && perplexity < 50, run.out());
        assertEquals(json, new JsonMapper().readTree(dir.resolve("eval/results.json").toFile()));
    }

    @Test
    void anUnknownTaskIsAUsageErrorBeforeTheModelIsLoaded() {
        Invocation run = Invocation.of("eval", "none", "--tasks", "perplexty");

        assertEquals(2, run.exitCode());
        assertTrue(run.err().startsWith("error: unknown task `perplexty`"), run.err());
    }

    @Test
    void aTaskThatNeedsTextAsksForIt() {
        Invocation run = Invocation.of("eval", "none", "--tasks", "recall,needle,perplexity");

        assertEquals(2, run.exitCode());
        assertTrue(run.err().contains("--data"), run.err());
    }

    @Test
    void aMissingModelIsABadInput() {
        Invocation run = Invocation.of("generate", dir + "/none", "--prompt", "a");

        assertEquals(4, run.exitCode());
        assertEquals("", run.out());
    }

    private static void assumeThere(Path path) {
        assumeTrue(Files.isDirectory(path), path + " is not beside the project");
    }

    private static FloatBuffer floats(SafetensorsFile file, String name) throws IOException {
        return file.map(name).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    }

    private static void assertClose(String name, FloatBuffer expected, FloatBuffer found) {
        assertEquals(expected.remaining(), found.remaining(), name);
        for (int i = 0; i < expected.remaining(); i++) {
            assertEquals(expected.get(i), found.get(i), 1e-4, name + " at " + i);
        }
    }
}
