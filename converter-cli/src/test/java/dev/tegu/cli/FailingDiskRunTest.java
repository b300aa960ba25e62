package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.FaultyDisk;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.cli.console.Console;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentFile;
import dev.tegu.cli.pipeline.RunDirectory;
import dev.tegu.cli.pipeline.Training;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole training on a disk that fails: one line says so, and a resume gives the same bytes. */
final class FailingDiskRunTest {
    private static final int SPREAD = 10;

    @TempDir private Path dir;
    private Experiment experiment;
    private Map<String, String> expected;

    /** What the run needs of a disk that works. */
    private long operations;

    private long bytes;

    @BeforeEach
    void trainOnADiskThatWorks() throws IOException {
        TinyTeacher.writeInto(dir);
        Path config =
                Files.writeString(
                        dir.resolve("a.yaml"),
                        """
                        teacher: DIR/teacher
                        method: lolcats
                        output: DIR/unused
                        device: cpu
                        data: {train: [DIR/text.txt], sequence_length: 32}
                        attention_transfer: {tokens: 96, batch_size: 1, log_every: 1, save_every: 2}
                        lora_finetune: {tokens: 64, batch_size: 1, r: 2, save_every: 1}
                        """
                                .replace("DIR", dir.toString()));
        experiment = ExperimentFile.load(config, Map.of());
        FaultyDisk disk = FaultyDisk.working();
        train(disk.path(dir.resolve("expected")));
        operations = disk.operations();
        expected = RunFiles.of(dir.resolve("expected"));
        // A power cut could bring removed checkpoints back, and nothing else.
        for (Path lost : disk.unsynced()) {
            // TensorBoard's files are for the eye; metrics.jsonl has what is in them.
            boolean isForTheEye = lost.toString().contains("tensorboard");
            assertTrue(isForTheEye || lost.getParent().endsWith("checkpoints"), lost.toString());
        }
        // Two hexadecimal digits a byte, but for text.
        bytes = expected.values().stream().mapToLong(String::length).sum() / 2;
    }

    private void train(Path output) throws IOException {
        try (RunDirectory run = RunDirectory.open(output, experiment.effectiveYaml(), true)) {
            Console console = Console.of(new PrintWriter(new StringWriter()));
            new Training(experiment, console, new StopSignal()).run(run);
        }
    }

    /**
     * Trains on a bad disk, looks at what is left, and goes on with it on a good one.
     *
     * @return 1 if the disk was noticed; a look at a folder may fail and do no harm
     */
    private int trainAndResume(String name, FaultyDisk disk) throws IOException {
        Path output = dir.resolve(name);
        boolean failed = false;
        try {
            train(disk.path(output));
        } catch (IOException | RuntimeException e) {
            failed = true;
            Failures.Report report = Failures.of(e);
            assertEquals(1, report.lines().size(), name);
            assertEquals(1, report.lines().get(0).lines().count(), report.toString());
            assertTrue(report.exitCode() == 1 || report.exitCode() == 4, report.toString());
            boolean isFull = report.lines().get(0).contains("No space left");
            assertTrue(!isFull || report.lines().get(0).endsWith("--resume"), report.toString());
        }
        if (Files.exists(output)) {
            try (Stream<Path> files = Files.walk(output)) {
                for (Path manifest : files.filter(FailingDiskRunTest::isManifest).toList()) {
                    Manifest.verify(manifest.getParent());
                }
            }
        }
        train(output);
        Map<String, String> found = RunFiles.of(output);
        assertEquals(expected.keySet(), found.keySet(), name);
        expected.forEach((file, held) -> assertEquals(held, found.get(file), name + ", " + file));
        return failed ? 1 : 0;
    }

    /** Of a directory that has its final name. */
    private static boolean isManifest(Path file) {
        return file.endsWith(Manifest.FILE_NAME)
                && !file.getParent().getFileName().toString().startsWith(".");
    }

    @Test
    void anyOperationMayFail() throws IOException {
        int failures = 0;
        for (int i = 0; i < SPREAD; i++) {
            long n = 1 + i * (operations - 1) / SPREAD;
            failures += trainAndResume("n" + n, FaultyDisk.working().failingAt(n));
        }
        assertTrue(failures > SPREAD / 2, "only " + failures);
    }

    @Test
    void theDiskMayBeFull() throws IOException {
        for (int i = 0; i < SPREAD / 2; i++) {
            long free = i * bytes / (SPREAD / 2);
            assertEquals(1, trainAndResume("full" + free, FaultyDisk.working().fullAfter(free)));
        }
    }
}
