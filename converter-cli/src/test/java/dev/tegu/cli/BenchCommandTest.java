package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class BenchCommandTest {
    @TempDir Path dir;

    @Test
    void everyPartIsMeasuredPrintedAndDrawn() throws IOException {
        Invocation run =
                Invocation.of(
                        "bench",
                        "--device=cpu",
                        "--dtype=bfloat16",
                        "--set=num_hidden_layers=2",
                        "--set=hidden_size=64",
                        "--methods=lolcats",
                        "--steps=4",
                        "--batch-size=1",
                        "--sequence-length=32",
                        "--gradient-checkpointing",
                        "--lengths=64,32",
                        "--attention-batch=2",
                        "--contexts=96,48",
                        "--prefill-up-to=48",
                        "--decode-batch=3",
                        "--decode-tokens=2",
                        "--output=" + dir.resolve("bench"),
                        "--json");

        assertEquals(0, run.exitCode(), run.err());
        JsonNode report = new JsonMapper().readTree(run.out());
        assertEquals(report, new JsonMapper().readTree(dir.resolve("bench/bench.json").toFile()));
        byte[] picture = Files.readAllBytes(dir.resolve("bench/bench.png"));
        assertEquals("PNG", new String(picture, 1, 3, StandardCharsets.US_ASCII));
        Path again = dir.resolve("again.png");
        assertEquals(
                0,
                Invocation.of("report", dir.resolve("bench").toString(), "--output=" + again)
                        .exitCode());
        assertArrayEquals(picture, Files.readAllBytes(again));
        JsonNode settings = report.path("settings");
        assertEquals("bfloat16", settings.path("dtype").asText());
        assertEquals(2, settings.path("config").path("num_hidden_layers").asInt());

        JsonNode training = report.path("training");
        assertEquals(
                "[\"attention_transfer\",\"lora_finetune\"]",
                training.findValues("stage").toString().replace(", ", ","));
        for (JsonNode point : training) {
            assertEquals(32, point.path("tokensPerStep").asInt());
            assertEquals(4, point.path("steps").asInt());
            assertTrue(point.path("tokensPerSecond").asDouble() > 0, point.toString());
            assertTrue(point.path("plannedBytes").asLong() > 0, point.toString());
        }

        assertEquals("[32, 64, 32, 64]", report.path("attention").findValues("length").toString());
        assertEquals("softmax", report.path("attention").get(3).path("form").asText());

        JsonNode decoding = report.path("decoding");
        assertEquals("[48, 96, 48, 96]", decoding.findValues("context").toString());
        assertTrue(decoding.get(0).path("prefillTokensPerSecond").asDouble() > 0);
        assertTrue(decoding.get(1).path("prefillTokensPerSecond").isNull());
        assertEquals(
                decoding.get(2).path("stateBytes").asLong(),
                decoding.get(3).path("stateBytes").asLong());
        assertTrue(report.path("crossing").has("lolcats"), run.out());
    }

    @Test
    void onePartIsATableWithTheHardwareAbove() throws IOException {
        Invocation run =
                Invocation.of(
                        "bench",
                        "--device=cpu",
                        "--parts=decoding",
                        "--methods=lolcats",
                        "--set=num_hidden_layers=1",
                        "--contexts=64,1200",
                        "--prefill-up-to=64",
                        "--decode-batch=1",
                        "--decode-tokens=1",
                        "--output=" + dir);

        assertEquals(0, run.exitCode(), run.err());
        assertTrue(run.out().startsWith("CPU, "), run.out());
        assertTrue(run.out().contains("float32, tiny\n"), run.out());
        assertTrue(run.out().contains("decode tokens/s"), run.out());
        assertTrue(!run.out().contains("tokens/step"), run.out());
        JsonNode decoding =
                new JsonMapper().readTree(dir.resolve("bench.json").toFile()).path("decoding");
        // a softmax cache grows with the context, and only that
        assertTrue(stateBytes(decoding, 1) > 2 * stateBytes(decoding, 0), run.out());
        assertEquals(stateBytes(decoding, 2), stateBytes(decoding, 3));
    }

    private static long stateBytes(JsonNode decoding, int index) {
        return decoding.get(index).path("stateBytes").asLong();
    }

    @Test
    void aShapeIsAModelsWithoutItsWeights() throws IOException {
        Files.createDirectories(dir.resolve("model"));
        Files.writeString(
                dir.resolve("model/config.json"),
                """
                {"model_type": "llama", "hidden_size": 16, "intermediate_size": 16,
                 "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 32}
                """);

        Invocation run =
                Invocation.of(
                        "bench",
                        "--model=" + dir.resolve("model"),
                        "--device=cpu",
                        "--parts=attention",
                        "--methods=hedgehog",
                        "--lengths=16");

        assertEquals(0, run.exitCode(), run.err());
        assertTrue(run.out().contains(dir.resolve("model").toString()), run.out());
    }

    @Test
    void wrongUsageIsToldBeforeAnythingIsMeasured() {
        assertEquals(2, Invocation.of("bench", "--dtype=auto").exitCode());
        assertEquals(2, Invocation.of("bench", "--shape=tiny", "--model=x").exitCode());
        assertEquals(2, Invocation.of("bench", "--steps=0", "--device=cpu").exitCode());
        assertEquals(2, Invocation.of("bench", "--parts=all", "--device=cpu").exitCode());
        assertEquals(4, Invocation.of("bench", "--shape=huge", "--device=cpu").exitCode());
        assertEquals(4, Invocation.of("bench", "--set=heads=2", "--device=cpu").exitCode());
        assertEquals(3, Invocation.of("bench", "--methods=lizzard", "--device=cpu").exitCode());
    }
}
