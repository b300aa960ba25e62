package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class BenchAttentionCommandTest {
    @TempDir Path dir;

    @Test
    void eachFormIsMeasuredAtEachLengthItIsAskedFor() throws IOException {
        Invocation run =
                Invocation.of(
                        "bench",
                        "attention",
                        "--methods=lolcats,gla",
                        "--lengths=64,32,128",
                        "--quadratic-up-to=64",
                        "--heads=2",
                        "--kv-heads=1",
                        "--head-dim=4",
                        "--repeats=1",
                        "--device=cpu",
                        "--output=" + dir.resolve("bench"),
                        "--json");

        assertEquals(0, run.exitCode(), run.err());
        JsonNode report = new JsonMapper().readTree(run.out());
        List<String> points = new ArrayList<>();
        for (JsonNode point : report.path("points")) {
            points.add(
                    (point.path("method").asText() + " " + point.path("form").asText())
                            + (" " + point.path("length").asInt()));
            assertTrue(point.path("forwardMillis").asDouble() > 0, point.toString());
            assertTrue(point.path("trainingMillis").asDouble() > 0, point.toString());
        }
        // gla has a gate for each feature, whose quadratic form is not measured
        assertEquals(
                List.of(
                        "lolcats chunked 32",
                        "lolcats chunked 64",
                        "lolcats chunked 128",
                        "lolcats quadratic 32",
                        "lolcats quadratic 64",
                        "gla chunked 32",
                        "gla chunked 64",
                        "gla chunked 128"),
                points);
        assertEquals(3, report.path("growth").size());
        JsonNode file = new JsonMapper().readTree(dir.resolve("bench/attention.json").toFile());
        assertEquals(report, file);
        byte[] picture = Files.readAllBytes(dir.resolve("bench/attention.png"));
        assertEquals("PNG", new String(picture, 1, 3, StandardCharsets.US_ASCII));
    }

    @Test
    void numbersThatMeanNothingAreUsageErrors() {
        assertEquals(2, Invocation.of("bench", "attention", "--heads=0").exitCode());
        assertEquals(2, Invocation.of("bench", "attention", "--lengths=64,-1").exitCode());
        assertEquals(2, Invocation.of("bench", "attention", "--kv-heads=3").exitCode());
    }

    @Test
    void aDeviceThatIsNotThereIsTold() {
        Invocation run = Invocation.of("bench", "attention", "--device=cuda:98");

        assertEquals(1, run.exitCode());
        assertTrue(run.err().startsWith("error: device `cuda:98`: "), run.err());
    }

    @Test
    void anUnknownMethodIsToldBeforeAnythingIsMeasured() {
        Invocation run =
                Invocation.of(
                        "bench",
                        "attention",
                        "--methods=lolcats,lizzard",
                        "--output=" + dir.resolve("bench"));

        assertEquals(3, run.exitCode());
        assertTrue(run.err().contains("did you mean `lizard`?"), run.err());
        assertFalse(Files.exists(dir.resolve("bench")));
    }
}
