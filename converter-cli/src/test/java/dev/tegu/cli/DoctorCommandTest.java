package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.engine.Engines;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DoctorCommandTest {
    @TempDir Path dir;

    @Test
    void theCpuMultipliesInEveryType() throws IOException {
        Invocation run = Invocation.of("doctor", "--json");

        assertEquals(0, run.exitCode(), run.err());
        JsonNode report = new JsonMapper().readTree(run.out());
        assertTrue(report.path("usable").asBoolean());
        assertEquals(Engines.bridgeVersion(), report.path("versions").path("bridge").asText());
        assertEquals("2.7.1", report.path("engine").path("libtorch").asText());
        JsonNode cpu = report.path("devices").get(0);
        assertEquals("cpu", cpu.path("name").asText());
        for (String type : new String[] {"float32", "bfloat16", "float16"}) {
            assertTrue(cpu.path("matrix_product_teraflops").path(type).asDouble() > 0, type);
        }
        boolean hasCard = report.path("devices").size() > 1;
        assertEquals(!hasCard, report.path("cuda").has("reason_against"), run.out());
    }

    @Test
    void aPersonReadsTheSame() {
        Invocation run = Invocation.of("doctor");

        assertEquals(0, run.exitCode(), run.err());
        assertTrue(run.out().startsWith("tegu "), run.out());
        assertTrue(run.out().contains("\nengine: libtorch 2.7.1 for "), run.out());
        assertTrue(run.out().contains("\n  bfloat16: "), run.out());
        assertTrue(run.out().endsWith("\nusable\n"), run.out());
    }

    @Test
    void librariesThatDoNotLoadAreOneLine() throws IOException, InterruptedException {
        Path libraries = Files.createDirectories(dir.resolve("lib"));
        Files.writeString(libraries.resolve(System.mapLibraryName("torch")), "not a library");

        try (TeguProcess run =
                TeguProcess.startWith(
                        "PYTORCH_LIBRARY_PATH",
                        libraries.toString(),
                        dir.resolve("err"),
                        "generate",
                        "x",
                        "--prompt=a")) {
            assertEquals(1, run.exitCode());
            // The JVM has a warning of its own about such a file.
            List<String> errors =
                    run.err().lines().filter(line -> line.startsWith("error: ")).toList();
            assertEquals(1, errors.size(), run.err());
            assertTrue(
                    errors.get(0).startsWith("error: PyTorch's libraries cannot be loaded: "),
                    run.err());
            assertTrue(run.err().contains("PYTORCH_LIBRARY_PATH=" + libraries), run.err());
        }
    }
}
