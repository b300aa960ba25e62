package dev.tegu.distill.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class LearningRateScheduleTest {
    private static final double EXACT = 1e-12;

    /** Ten steps, two of warm-up, peak 1, floor 0.2: worked out by hand. */
    @ParameterizedTest(name = "{0} at step {1}")
    @CsvSource({
        "COSINE, 0, 0.5",
        "COSINE, 1, 1.0",
        "COSINE, 2, 1.0",
        "COSINE, 6, 0.6",
        "COSINE, 10, 0.2",
        "COSINE, 99, 0.2",
        "LINEAR, 0, 0.5",
        "LINEAR, 2, 1.0",
        "LINEAR, 4, 0.8",
        "LINEAR, 9, 0.3",
        "LINEAR, 10, 0.2",
        "CONSTANT, 0, 0.5",
        "CONSTANT, 2, 1.0",
        "CONSTANT, 9, 1.0",
        "PLATEAU, 0, 0.5",
        "PLATEAU, 9, 1.0",
        "WSD, 0, 0.5",
        "WSD, 4, 1.0",
        "WSD, 5, 1.0",
        "WSD, 9, 0.27639320225",
        "WSD, 10, 0.2"
    })
    void followsItsFormula(Scheduler scheduler, long step, double expected) {
        assertEquals(
                expected,
                LearningRateSchedule.of(1.0, 10, 0.2, 0.2, scheduler, 0.5).at(step),
                EXACT);
    }

    @Test
    void withoutWarmupTheFirstStepHasThePeak() {
        assertEquals(
                3e-4, LearningRateSchedule.of(3e-4, 5, 0, 0, Scheduler.COSINE, 0.1).at(0), EXACT);
    }

    @Test
    void aPartOfAStepOfWarmupIsAWholeOne() {
        assertEquals(
                2, LearningRateSchedule.of(1, 100, 0.011, 0, Scheduler.COSINE, 0.1).warmupSteps());
    }

    @Test
    void warmupMayTakeTheWholeStage() {
        LearningRateSchedule schedule =
                LearningRateSchedule.of(1, 4, 1, 0.1, Scheduler.COSINE, 0.1);

        assertEquals(1.0, schedule.at(3), EXACT);
        assertEquals(0.1, schedule.at(4), EXACT);
    }

    @ParameterizedTest(name = "rate {0}, steps {1}, warm-up {2}, floor {3}")
    @CsvSource({"0, 1, 0, 0", "NaN, 1, 0, 0", "1, 0, 0, 0", "1, 1, 1.5, 0", "1, 1, 0, -0.1"})
    void valuesOutOfRangeAreRefused(double rate, long steps, double warmup, double floor) {
        assertThrows(
                IllegalArgumentException.class,
                () -> LearningRateSchedule.of(rate, steps, warmup, floor, Scheduler.COSINE, 0.1));
    }
}
