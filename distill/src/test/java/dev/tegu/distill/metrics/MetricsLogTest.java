package dev.tegu.distill.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.FaultyDisk;
import dev.tegu.distill.Losses;
import dev.tegu.distill.metrics.TrainingListener.Step;
import dev.tegu.distill.metrics.TrainingListener.Validation;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class MetricsLogTest {
    private static final String FIRST = "attention_transfer";
    private static final String SECOND = "lora_finetune";

    @TempDir Path dir;
    private Path file;

    @BeforeEach
    void nameTheFile() {
        file = dir.resolve("metrics.jsonl");
    }

    @Test
    void linesAreInTheFileBeforeItIsClosed() throws IOException {
        try (MetricsLog log = MetricsLog.create(file)) {
            log.stepFinished(new Step(FIRST, 1, Losses.of(0.5), 0.25, 64, 1.5));
            log.validated(new Validation(FIRST, 1, Losses.of(Double.NaN)));

            assertEquals(
                    """
                    {"stage":"attention_transfer","step":1,"loss":0.5,"learning_rate":0.25,"tokens":64,"gradient_norm":1.5}
                    {"stage":"attention_transfer","step":1,"validation_loss":"NaN"}
                    """,
                    Files.readString(file));
        }
    }

    @Test
    void whatALossIsMadeOfStandsInBothKindsOfLines() throws IOException {
        Losses losses =
                new Losses(
                        0.5,
                        List.of(
                                new Losses.Part("layers.0", 0.75, 0.125),
                                new Losses.Part("cross_entropy", 0.25, Double.NaN)));
        try (MetricsLog log = MetricsLog.create(file)) {
            log.stepFinished(new Step(FIRST, 1, losses, 0.25, 64, Double.POSITIVE_INFINITY));
            log.validated(new Validation(FIRST, 1, losses));
        }

        String parts =
                "\"parts\":{\"layers.0\":{\"loss\":0.75,\"relative\":0.125},"
                        + "\"cross_entropy\":{\"loss\":0.25}}}";
        List<String> lines = Files.readAllLines(file);
        assertTrue(lines.get(0).endsWith("\"gradient_norm\":\"Infinity\"," + parts), lines.get(0));
        assertTrue(lines.get(1).endsWith("\"validation_loss\":0.5," + parts), lines.get(1));
    }

    @Test
    void aFileOfAnotherRunIsNotTouched() throws IOException {
        Files.writeString(file, "kept");

        assertThrows(FileAlreadyExistsException.class, () -> MetricsLog.create(file));
        assertEquals("kept", Files.readString(file));
    }

    @Test
    void aResumedRunLeavesTheFileOfAnUninterruptedOne() throws IOException {
        twoStages(file);
        Path resumed = dir.resolve("resumed.jsonl");
        twoStages(resumed);
        Files.writeString(resumed, "{\"stage\":\"lora_fi", StandardOpenOption.APPEND);

        try (MetricsLog log = MetricsLog.resume(resumed, FIRST, 2)) {
            log.stepFinished(step(FIRST, 3));
            log.stepFinished(step(SECOND, 1));
            log.stepFinished(step(SECOND, 2));
        }

        assertEquals(Files.readString(file), Files.readString(resumed));
    }

    @Test
    void aStageThatHasEndedLeavesTheNextOneAlone() throws IOException {
        twoStages(file);

        MetricsLog.resume(file, FIRST, 3).close();

        assertEquals(5, Files.readAllLines(file).size());
    }

    @Test
    void aStageThatBeginsAnewKeepsNotEvenItsFirstMeasurement() throws IOException {
        try (MetricsLog log = MetricsLog.create(file)) {
            log.stepFinished(step(FIRST, 3));
            log.validated(new Validation(SECOND, 0, Losses.of(4)));
        }

        MetricsLog.resume(file, SECOND, 0).close();

        assertEquals(1, Files.readAllLines(file).size());
    }

    @Test
    void theDiskIsWaitedForBeforeACheckpoint() throws IOException {
        FaultyDisk disk = FaultyDisk.working();
        try (MetricsLog log = MetricsLog.create(disk.path(file))) {
            disk.failingAt(disk.operations() + 1);

            UncheckedIOException e =
                    assertThrows(UncheckedIOException.class, () -> log.saving(FIRST));

            assertEquals(
                    file + ": cannot be written: injected failure of force",
                    e.getCause().getMessage());
        }
    }

    @Test
    void aLaterStageKeepsTheEarlierOne() throws IOException {
        twoStages(file);

        MetricsLog.resume(file, SECOND, 1).close();

        assertEquals(4, Files.readAllLines(file).size());
    }

    @Test
    void anUnfinishedLastLineIsCut() throws IOException {
        Files.writeString(
                file, "{\"stage\":\"attention_transfer\",\"step\":1}\n{\"stage\":\"atten");

        MetricsLog.resume(file, FIRST, 5).close();

        assertEquals("{\"stage\":\"attention_transfer\",\"step\":1}\n", Files.readString(file));
    }

    @Test
    void aForeignLineIsRefusedByItsNumber() throws IOException {
        Files.writeString(file, "{\"stage\":\"attention_transfer\",\"step\":1}\nnot ours\n");

        IOException e = assertThrows(IOException.class, () -> MetricsLog.resume(file, FIRST, 5));

        assertEquals(file + ":2: not a line of metrics", e.getMessage().split(": Unrec")[0]);
    }

    private static void twoStages(Path file) throws IOException {
        try (MetricsLog log = MetricsLog.create(file)) {
            for (int i = 1; i <= 3; i++) {
                log.stepFinished(step(FIRST, i));
            }
            log.stepFinished(step(SECOND, 1));
            log.stepFinished(step(SECOND, 2));
        }
    }

    private static Step step(String stage, long step) {
        return new Step(stage, step, Losses.of(1.0 / step), 0.01, 64 * step, 1.5);
    }
}
