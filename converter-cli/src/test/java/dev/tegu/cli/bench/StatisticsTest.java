package dev.tegu.cli.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

final class StatisticsTest {
    @Test
    void theMedianIsNotMovedByOneSlowRun() {
        assertEquals(2, Statistics.median(1, 900, 2));
        assertEquals(2.5, Statistics.median(3, 1, 2, 800));
    }

    @Test
    void growthIsThePowerOfTheLength() {
        double[] lengths = {512, 1024, 4096};

        assertEquals(1, Statistics.growth(lengths, new double[] {5, 10, 40}), 1e-12);
        assertEquals(2, Statistics.growth(lengths, new double[] {3, 12, 192}), 1e-12);
        assertEquals(0, Statistics.growth(lengths, new double[] {7, 7, 7}), 1e-12);
    }
}
