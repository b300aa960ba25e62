package dev.tegu.cli.watch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.cli.console.Console;
import dev.tegu.distill.Losses;
import dev.tegu.distill.metrics.TrainingListener.Stage;
import dev.tegu.distill.metrics.TrainingListener.Step;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class WatchTest {
    private static final String STAGE = "lora_finetune";

    @TempDir Path root;
    private final StringWriter err = new StringWriter();

    @BeforeEach
    void keepSettings() throws IOException {
        Files.writeString(root.resolve("config.effective.yaml"), "seed: 0\n");
    }

    @Test
    void aStageThatBreaksOffLeavesItsPage() throws IOException {
        takeSteps(0, 2);

        String page = Files.readString(root.resolve("report.html"));
        assertTrue(page.contains("training 1.000 (step 1) to 0.5000 (step 2)"), page);
    }

    @Test
    void aResumedStageTellsOfEachStepOnce() throws IOException {
        takeSteps(0, 3);

        takeSteps(2, 4);

        assertEquals(4, Files.readAllLines(root.resolve("metrics.jsonl")).size());
        Path events = root.resolve("tensorboard").resolve(STAGE);
        assertEquals(List.of(1L, 2L, 3L), steps(events.resolve("events.out.tfevents.000001.tegu")));
        assertEquals(List.of(3L, 4L), steps(events.resolve("events.out.tfevents.000002.tegu")));
    }

    @Test
    void aPageThatCannotBeWrittenIsSaidAndStopsNothing() throws IOException {
        Files.createDirectories(root.resolve("report.html").resolve("in the way"));

        takeSteps(0, 1);

        assertTrue(err.toString().contains("report.html: not written ("), err.toString());
        assertTrue(err.toString().contains("scripts/tegu report " + root), err.toString());
        assertEquals(1, Files.readAllLines(root.resolve("metrics.jsonl")).size());
        assertTrue(Files.notExists(root.resolve(".report.html.partial")));
    }

    private void takeSteps(long done, long until) throws IOException {
        Console console = Console.of(new PrintWriter(err));
        try (Watch watch = Watch.open(root, STAGE, done, console)) {
            watch.listener().stageStarted(new Stage(STAGE, done, 9, 64));
            for (long step = done + 1; step <= until; step++) {
                watch.listener()
                        .stepFinished(
                                new Step(STAGE, step, Losses.of(1.0 / step), 0.1, 64 * step, 1));
            }
        }
    }

    private static List<Long> steps(Path events) throws IOException {
        return EventReader.read(events).stream()
                .filter(event -> !event.scalars().isEmpty())
                .map(EventReader.Event::step)
                .toList();
    }
}
