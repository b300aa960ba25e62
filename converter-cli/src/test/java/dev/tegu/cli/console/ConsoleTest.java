package dev.tegu.cli.console;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.distill.Losses;
import dev.tegu.distill.metrics.TrainingListener.Stage;
import dev.tegu.distill.metrics.TrainingListener.Step;
import dev.tegu.distill.metrics.TrainingListener.Validation;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class ConsoleTest {
    private static final long SECOND = 1_000_000_000L;

    private final StringWriter written = new StringWriter();
    private final AtomicLong now = new AtomicLong();

    @Test
    void aPipeGetsALineAtTheStartEveryTenSecondsAndAtTheEnd() {
        try (Progress progress = piped().progress("recall", "document", 0, 50)) {
            for (int done = 1; done <= 50; done++) {
                now.addAndGet(SECOND / 2);
                progress.at(done, "acc 0.5");
            }
        }

        assertEquals(
                """
                recall: document 0 of 50
                recall: document 20 of 50, acc 0.5, 2.0 documents/s, 15 s left
                recall: document 40 of 50, acc 0.5, 2.0 documents/s, 5.0 s left
                recall: document 50 of 50, acc 0.5, 2.0 documents/s, 25 s in all
                """,
                written.toString());
    }

    @Test
    void workThatBreaksOffLeavesItsLastState() {
        try (Progress progress = piped().progress("recall", "document", 0, 50)) {
            now.addAndGet(SECOND);
            progress.at(4, "");
        }

        assertTrue(
                written.toString()
                        .endsWith("recall: document 4 of 50, 4.0 documents/s, 12 s left\n"),
                written.toString());
    }

    @Test
    void theRateOfAResumedRunCountsItsOwnStepsOnly() {
        try (Progress progress = piped().progress("train", "step", 90, 100)) {
            now.addAndGet(10 * SECOND);
            progress.at(100, "");
        }

        assertTrue(written.toString().contains("1.0 steps/s"), written.toString());
    }

    @Test
    void theTimeThatAResumedStageNeedsIsThatOfItsOwnSteps() {
        try (TrainingConsole training = new TrainingConsole(piped())) {
            training.stageStarted(new Stage("lora_finetune", 90, 100, 512));
            now.addAndGet(20 * SECOND);
            training.stepFinished(step("lora_finetune", 95, Losses.of(0.5)));
        }

        assertTrue(
                written.toString()
                        .endsWith("step 95 of 100, loss 0.5000, 128 tokens/s, 20 s left\n"),
                written.toString());
    }

    @Test
    void aTerminalGetsOneBarWithTheNoteAndNoLineOfItsOwn() {
        Console console = new Console(new PrintWriter(written), true, now::get);

        try (Progress progress = console.progress("train", "step", 0, 100)) {
            progress.at(40, "loss 0.125");
        }

        String text = written.toString();
        String last = text.substring(text.lastIndexOf('\r') + 1);
        assertEquals(
                "\u001B[Ktrain [" + "=".repeat(12) + " ".repeat(18) + "] 40/100 loss 0.125\n",
                last);
        assertEquals(text.length() - 1, text.indexOf('\n'), text);
    }

    @Test
    void aBarIsDrawnTwiceASecondAtMostAndFitsItsLine() {
        Console console = new Console(new PrintWriter(written), true, now::get);
        String stage = "attention_transfer";

        try (TrainingConsole training = new TrainingConsole(console)) {
            training.stageStarted(new Stage(stage, 0, 1000, 4096));
            for (int step = 1; step <= 200; step++) {
                now.addAndGet(SECOND / 20);
                training.stepFinished(step(stage, step, Losses.of(0.5)));
            }
            training.stageFinished(stage);
        }

        String[] drawn = written.toString().split("\r\u001B\\[K", -1);
        // the first line, the bar at its start, 20 times in 10 seconds, at its end; the summary
        assertEquals(1 + 1 + 20 + 1 + 1, drawn.length - 1, written.toString());
        assertEquals(
                stage + " [=        ] 190/1000 loss 0.5000, 81,920 tokens/s, 41 s left", drawn[21]);
        for (String line : drawn) {
            assertTrue(!line.contains("]") || line.strip().length() <= 79, line);
        }
    }

    @Test
    void trainingIsToldStageByStage() {
        try (TrainingConsole training = new TrainingConsole(piped())) {
            training.stageStarted(new Stage("attention_transfer", 0, 2, 2048));
            now.addAndGet(SECOND);
            training.stepFinished(step("attention_transfer", 1, Losses.of(0.5)));
            now.addAndGet(SECOND);
            training.stepFinished(step("attention_transfer", 2, Losses.of(0.125)));
            training.validated(new Validation("attention_transfer", 2, Losses.of(0.25)));
            training.stageFinished("attention_transfer");
        }

        assertEquals(
                """
                attention_transfer: 2 steps of 2,048 tokens
                attention_transfer: step 0 of 2
                attention_transfer: step 2 of 2, loss 0.1250, 2,048 tokens/s, 2.0 s in all
                attention_transfer: validation loss 0.2500 after step 2
                attention_transfer: loss 0.5000 (step 1) to 0.1250 (step 2), 2.0 s, 2,048 tokens/s
                """,
                written.toString());
    }

    @Test
    void aStageEndsWithItsWorstLayers() {
        Losses losses =
                new Losses(
                        0.5,
                        List.of(
                                new Losses.Part("layers.0", 1, 0.25),
                                new Losses.Part("layers.1", 9, 0.0625),
                                new Losses.Part("layers.2", 1, 0.75),
                                new Losses.Part("layers.3", 1, 0.5),
                                new Losses.Part("cross_entropy", 1, Double.NaN)));
        try (TrainingConsole training = new TrainingConsole(piped())) {
            training.stageStarted(new Stage("attention_transfer", 0, 1, 2048));
            now.addAndGet(SECOND);
            training.stepFinished(step("attention_transfer", 1, Losses.of(0.5)));
            training.validated(new Validation("attention_transfer", 1, losses));
            training.stageFinished("attention_transfer");
        }

        assertTrue(
                written.toString()
                        .endsWith(
                                "attention_transfer: largest relative errors of 4 layers, validation"
                                        + " data: layers.2 0.750, layers.3 0.500, layers.0 0.250\n"),
                written.toString());
    }

    @Test
    void aStageThatWasDoneBeforeSaysNoMore() {
        try (TrainingConsole training = new TrainingConsole(piped())) {
            training.stageStarted(new Stage("attention_transfer", 2, 2, 2048));
            training.stageFinished("attention_transfer");
        }

        assertEquals(
                """
                attention_transfer: 2 steps of 2,048 tokens, 2 done before
                attention_transfer: step 2 of 2
                """,
                written.toString());
    }

    @Test
    void anEvaluationIsToldTaskByTask() {
        try (EvalConsole evaluation = new EvalConsole(piped(), "student")) {
            evaluation.update("needle", 0, 1);
            now.addAndGet(SECOND);
            evaluation.update("needle", 1, 1);
            evaluation.update("recall", 0, 8);
        }

        assertEquals(
                """
                student needle: sequence 0 of 1
                student needle: sequence 1 of 1, 1.0 sequences/s, 1.0 s in all
                student recall: sequence 0 of 8
                """,
                written.toString());
        assertFalse(written.toString().contains("\r"));
    }

    @ParameterizedTest(name = "{0} is {1}")
    @CsvSource({"0.44, 0.4 s", "9.96, 10 s", "200, 3 min 20 s", "7500, 2 h 5 min"})
    void durationsAreSaidAsPeopleDo(double seconds, String expected) {
        assertEquals(expected, Durations.of(seconds));
    }

    private static Step step(String stage, long step, Losses losses) {
        return new Step(stage, step, losses, 0.01, 512 * step, 1.5);
    }

    private Console piped() {
        return new Console(new PrintWriter(written), false, now::get);
    }
}
