package dev.tegu.cli.watch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.cli.watch.EventReader.Event;
import dev.tegu.distill.Losses;
import dev.tegu.distill.metrics.TrainingListener.Stage;
import dev.tegu.distill.metrics.TrainingListener.Step;
import dev.tegu.distill.metrics.TrainingListener.Validation;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TensorBoardLogTest {
    private static final String STAGE = "attention_transfer";
    private static final long SECOND = 1_000_000_000L;

    @TempDir Path dir;
    private final AtomicLong now = new AtomicLong();

    @Test
    void theReadersSumIsThatOfTheStandard() {
        // RFC 3720, appendix B.4, and the usual check value of CRC-32C
        assertEquals(0x8a9136aa, EventReader.castagnoli(new byte[32]));
        assertEquals(
                0xe3069283,
                EventReader.castagnoli("123456789".getBytes(StandardCharsets.US_ASCII)));
    }

    @Test
    void aStageIsWrittenAsScalarsThatAnotherReaderUnderstands() throws IOException {
        Losses losses =
                new Losses(
                        0.5,
                        List.of(
                                new Losses.Part("layers.0", 0.75, 0.125),
                                new Losses.Part("cross_entropy", 0.25, Double.NaN)));
        try (TensorBoardLog log = new TensorBoardLog(dir, now::get)) {
            log.stageStarted(new Stage(STAGE, 0, 300, 2048));
            log.validated(new Validation(STAGE, 0, Losses.of(2)));
            now.addAndGet(4 * SECOND);
            log.stepFinished(new Step(STAGE, 1, losses, 0.01, 2048, 1.5));
            now.addAndGet(SECOND);
            log.stepFinished(new Step(STAGE, 300, Losses.of(Double.NaN), 0.02, 4096, 3));
        }

        List<Event> events = EventReader.read(file(STAGE, 1));

        assertEquals(5, events.size());
        assertEquals("brain.Event:2", events.get(0).version());
        assertTrue(events.stream().allMatch(e -> e.wallTime() > 1.7e9), events.toString());
        assertEquals(1, events.get(1).sessionStatus());
        assertEquals(1, events.get(1).step());
        assertEquals(Map.of(STAGE + "/validation_loss", 2f), events.get(2).scalars());
        assertEquals(1, events.get(3).step());
        assertEquals(
                Map.of(
                        STAGE + "/loss", 0.5f,
                        STAGE + "/learning_rate", 0.01f,
                        STAGE + "/gradient_norm", 1.5f,
                        STAGE + "/tokens_per_second", 512f,
                        STAGE + "/layers.0/relative", 0.125f,
                        STAGE + "/cross_entropy/loss", 0.25f),
                events.get(3).scalars());
        // two bytes of step, and a loss that is no number
        assertEquals(300, events.get(4).step());
        assertEquals(Float.NaN, events.get(4).scalars().get(STAGE + "/loss"));
        assertEquals(2048f, events.get(4).scalars().get(STAGE + "/tokens_per_second"));
    }

    @Test
    void aResumedStageTakesBackWhatItTakesAgainAndNothingOfOtherStages() throws IOException {
        run(new Stage("lora_finetune", 0, 3, 10), 3);
        run(new Stage(STAGE, 0, 3, 10), 3);

        run(new Stage(STAGE, 2, 3, 10), 3);
        // done before: nothing to tell, so no third file
        run(new Stage(STAGE, 3, 3, 10), 3);

        List<Event> resumed = EventReader.read(file(STAGE, 2));
        assertEquals(1, resumed.get(1).sessionStatus());
        assertEquals(3, resumed.get(1).step());
        assertEquals(10f, resumed.get(2).scalars().get(STAGE + "/tokens_per_second"));
        assertEquals(5, EventReader.read(file(STAGE, 1)).size());
        assertEquals(1, count("lora_finetune"));
        assertEquals(2, count(STAGE));
    }

    private void run(Stage stage, long until) {
        try (TensorBoardLog log = new TensorBoardLog(dir, now::get)) {
            log.stageStarted(stage);
            for (long step = stage.doneSteps() + 1; step <= until; step++) {
                now.addAndGet(SECOND);
                log.stepFinished(
                        new Step(stage.stage(), step, Losses.of(1.0 / step), 0.01, 10 * step, 1));
            }
        }
    }

    private long count(String stage) throws IOException {
        try (Stream<Path> files = Files.list(dir.resolve(stage))) {
            return files.count();
        }
    }

    private Path file(String stage, int number) {
        return dir.resolve(stage + "/events.out.tfevents.00000" + number + ".tegu");
    }
}
