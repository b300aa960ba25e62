package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Ctrl-C and SIGTERM: the state is saved, the exit code says so, and the run goes on. */
final class StoppedRunTest {
    private static final String EXPERIMENT =
            """
            teacher: DIR/teacher
            method: lolcats
            method_overrides: {window: {size: 8}}
            output: DIR/NAME
            device: cpu
            data: {train: [DIR/text.txt], sequence_length: 32}
            attention_transfer: {tokens: 6400, batch_size: 1, log_every: 1, save_every: 0}
            """;

    private static final String PRETRAINING =
            """
            model: {hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2}
            tokenizer: DIR/teacher
            output: DIR/NAME
            device: cpu
            data: {train: [DIR/text.txt], sequence_length: 32}
            pretrain: {tokens: 9600, batch_size: 1, log_every: 1}
            """;

    @TempDir private static Path shared;

    @BeforeAll
    static void writeTheTeacher() throws IOException {
        TinyTeacher.writeInto(shared);
    }

    private static String config(String yaml, String name) throws IOException {
        return Files.writeString(
                        shared.resolve(name + ".yaml"),
                        yaml.replace("DIR", shared.toString()).replace("NAME", name))
                .toString();
    }

    private static TeguProcess start(String command, String config) throws IOException {
        return TeguProcess.start(Path.of(config + ".err"), command, config);
    }

    private static void awaitLines(TeguProcess run, Path metrics, int lines) throws IOException {
        while (run.isAlive()
                && (!Files.exists(metrics) || Files.readString(metrics).lines().count() < lines)) {
            LockSupport.parkNanos(1_000_000);
        }
    }

    private static void awaitText(TeguProcess run, String text) throws IOException {
        while (run.isAlive() && !run.err().contains(text)) {
            LockSupport.parkNanos(1_000_000);
        }
    }

    /**
     * Stops a run with a signal after some steps, goes on with it, and compares it with another.
     */
    private static void stopAndGoOn(
            String command, String yaml, String signal, int exitCode, String result)
            throws Exception {
        Path stopped = shared.resolve(command + "-stopped");
        String config = config(yaml, command + "-stopped");
        try (TeguProcess run = start(command, config)) {
            awaitLines(run, stopped.resolve("metrics.jsonl"), 4);
            run.signal(signal);

            assertEquals(exitCode, run.exitCode(), run.err());
            String last = run.err().lines().reduce((a, b) -> b).orElse("");
            assertTrue(
                    last.matches(
                            "stopped after step [0-9]+ of [0-9]+ of [a-z_]+; the state is saved, go"
                                    + " on with --resume"),
                    run.err());
        }
        Invocation resumed = Invocation.of(command, config, "--resume");
        Invocation whole = Invocation.of(command, config(yaml, command + "-whole"));

        assertEquals(0, resumed.exitCode(), resumed.err());
        assertTrue(resumed.err().contains(" done before"), resumed.err());
        assertEquals(0, whole.exitCode(), whole.err());
        for (String folder : new String[] {result, "metrics.jsonl"}) {
            assertEquals(
                    RunFiles.of(shared.resolve(command + "-whole").resolve(folder)),
                    RunFiles.of(stopped.resolve(folder)),
                    folder);
        }
    }

    @Test
    void aTrainingThatIsInterruptedGoesOnToTheSameBytes() throws Exception {
        stopAndGoOn("train", EXPERIMENT, "INT", 130, "student");
    }

    @Test
    void aPretrainingThatIsTerminatedGoesOnToTheSameBytes() throws Exception {
        stopAndGoOn("pretrain", PRETRAINING, "TERM", 143, "model");
    }

    @Test
    void aSecondSignalDoesNotWaitForTheStep() throws Exception {
        String endless =
                EXPERIMENT.replace(
                        "tokens: 6400", "tokens: 6400, gradient_accumulation_steps: 1000000");
        String config = config(endless, "endless");
        try (TeguProcess run = start("train", config)) {
            awaitText(run, "steps of");
            run.signal("INT");
            awaitText(run, "stopping: waiting at most 60 s");
            long began = System.nanoTime();
            run.signal("INT");

            assertEquals(130, run.exitCode(), run.err());
            assertTrue(System.nanoTime() - began < 20e9, "it waited for the step");
        }
    }

    @Test
    void outsideOfTrainingASignalEndsTheProcessAtOnce() throws Exception {
        String config = config(EXPERIMENT, "early");
        try (TeguProcess run = start("train", config)) {
            awaitText(run, "tokens to train on");
            run.signal("INT");

            assertEquals(130, run.exitCode(), run.err());
        }
        Invocation resumed = Invocation.of("train", config, "--resume");
        assertEquals(0, resumed.exitCode(), resumed.err());
    }

    @Test
    void aRunningOutputIsNotWrittenIntoByAnotherProcess() throws Exception {
        String endless =
                EXPERIMENT.replace(
                        "tokens: 6400", "tokens: 6400, gradient_accumulation_steps: 1000000");
        String config = config(endless, "held");
        try (TeguProcess run = start("train", config)) {
            awaitText(run, "steps of");

            Invocation second = Invocation.of("train", config, "--resume");

            assertEquals(4, second.exitCode(), second.err());
            assertTrue(second.err().contains("another process is writing into it"), second.err());
            run.kill();
        }
    }
}
