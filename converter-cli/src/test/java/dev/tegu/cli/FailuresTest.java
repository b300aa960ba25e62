package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.EngineException;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.config.ConfigException;
import dev.tegu.config.InvalidValueException;
import dev.tegu.config.Problem;
import dev.tegu.distill.StoppedException;
import dev.tegu.records.DataException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

final class FailuresTest {

    static List<Arguments> failures() {
        return List.of(
                Arguments.of(new InvalidValueException("window.size", "0 is too few"), 3),
                Arguments.of(new InputException("a.txt: is empty"), 4),
                Arguments.of(new CheckpointException("model: no config.json"), 4),
                Arguments.of(new DataException("a.jsonl:2: not JSON"), 4),
                Arguments.of(new NoSuchFileException("a.txt"), 4),
                Arguments.of(new UncheckedIOException(new NoSuchFileException("a.txt")), 4),
                Arguments.of(new VerificationException("model: 1 tensor differs"), 5),
                Arguments.of(new IOException("metrics.jsonl: disk full"), 1),
                Arguments.of(new IOException("a: No space left on device"), 1),
                Arguments.of(new DirectoryNotEmptyException("out"), 1),
                Arguments.of(new IllegalStateException("no message helps"), 1),
                Arguments.of(new OutOfMemoryError("Java heap space"), 1));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("failures")
    void isOneLineAndItsCode(Throwable thrown, int exitCode) {
        StringWriter err = new StringWriter();

        int found = Failures.print(thrown, false, new PrintWriter(err));

        assertEquals(exitCode, found);
        assertEquals(1, err.toString().lines().count(), err.toString());
        assertTrue(err.toString().startsWith("error: "), err.toString());
    }

    @Test
    void whoeverStopsARunIsNotToldOfAnError() {
        StringWriter err = new StringWriter();

        int exitCode =
                Failures.print(
                        new StoppedException("stopped after step 3"), false, new PrintWriter(err));

        assertEquals(130, exitCode);
        assertEquals("stopped after step 3\n", err.toString());
    }

    @Test
    void aFullDiskIsToldWithWhatToDo() {
        Failures.Report report =
                Failures.of(new IOException("x.safetensors: No space left on device"));

        assertTrue(report.lines().get(0).endsWith("goes on with --resume"), report.toString());
    }

    @Test
    void aCardWithoutMemoryIsToldInOneLine() {
        Failures.Report report =
                Failures.of(
                        new EngineException(
                                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total"
                                        + " capacity of 79.10 GiB of which 1.00 GiB is free."
                                        + "\nException raised from malloc"));

        assertEquals(1, report.exitCode());
        assertEquals(1, report.lines().size());
        assertTrue(
                report.lines()
                        .get(0)
                        .startsWith(
                                "out of memory on cuda:0: 2.1 GB asked for, 1.1 GB of 84.9 GB"
                                        + " free; "),
                report.toString());
    }

    @Test
    void whatRanOutOfMemoryIsNamed() {
        StringWriter err = new StringWriter();
        ParseResult parsed = Tegu.commandLine().parseArgs("generate", "x", "--prompt=a");
        CommandLine generate = parsed.subcommand().commandSpec().commandLine();
        generate.setErr(new PrintWriter(err));

        int exitCode =
                Failures.onExecution(
                        new EngineException("CUDA error: out of memory"), generate, parsed);

        assertEquals(1, exitCode);
        assertTrue(
                err.toString().startsWith("error: generate: out of memory on cuda; "),
                err.toString());
    }

    @Test
    void everyProblemOfAConfigurationHasItsLine() {
        ConfigException e =
                new ConfigException(
                        List.of(
                                new Problem("a.yaml", 1, 2, "x", "unknown key"),
                                new Problem("a.yaml", 3, 1, "y", "missing")));
        StringWriter err = new StringWriter();

        int exitCode = Failures.print(e, false, new PrintWriter(err));

        assertEquals(3, exitCode);
        assertEquals(
                """
                error: a.yaml:1:2: x: unknown key
                error: a.yaml:3:1: y: missing
                """,
                err.toString());
    }

    @Test
    void theStackTraceFollowsWhenAskedFor() {
        StringWriter err = new StringWriter();

        Failures.print(new IllegalStateException("broken"), true, new PrintWriter(err));

        assertTrue(err.toString().startsWith("error: broken\n"), err.toString());
        assertTrue(err.toString().contains("\tat dev.tegu.cli.FailuresTest"), err.toString());
    }
}
