package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class BenchTrainingCommandTest {
    @TempDir Path dir;

    private Path config() throws IOException {
        TinyTeacher.writeInto(dir);
        return Files.writeString(dir.resolve("bench.yaml"), TinyTeacher.experiment(dir));
    }

    @Test
    void eachStageIsTimedAndProfiledAndLeavesNothing() throws IOException {
        Invocation run =
                Invocation.of(
                        "bench",
                        "training",
                        config().toString(),
                        "--set=attention_transfer.gradient_accumulation_steps=3",
                        "--steps=3",
                        "--json");

        assertEquals(0, run.exitCode(), run.err());
        JsonNode report = new JsonMapper().readTree(run.out());
        for (String name : new String[] {"attention_transfer", "lora_finetune"}) {
            JsonNode stage = report.path(name);
            assertEquals(3, stage.path("step_seconds").size(), run.out());
            assertTrue(stage.path("tokens_per_second").asDouble() > 0);
            double share = stage.path("matrix_product_share").asDouble();
            assertTrue(share > 0 && share < 1, name + ": " + share);
        }
        assertEquals(
                3 * 4 * 32, report.path("attention_transfer").path("tokens_per_step").asLong());
        assertFalse(Files.exists(dir.resolve("out")));
    }

    @Test
    void tableNamesStagesAndOperators() throws IOException {
        Invocation run = Invocation.of("bench", "training", config().toString(), "--steps=1");

        assertEquals(0, run.exitCode(), run.err());
        assertTrue(run.out().contains("outside matrix products"), run.out());
        assertTrue(run.out().contains("lora_finetune, a step of the profile: matrix products "));
    }

    @Test
    void noStepsIsAUsageError() throws IOException {
        assertEquals(
                2, Invocation.of("bench", "training", config().toString(), "--steps=0").exitCode());
    }
}
