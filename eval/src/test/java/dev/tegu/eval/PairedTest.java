package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The expected numbers are SciPy's (binomtest, ttest_rel, betainc, gammaln). */
class PairedTest {
    private static Paired rightOrWrong(int gained, int lost, int same) {
        double[] first = new double[gained + lost + same];
        double[] second = new double[first.length];
        Arrays.fill(second, 0, gained, 1);
        Arrays.fill(first, gained, gained + lost, 1);
        return Paired.of(first, second);
    }

    @ParameterizedTest
    @CsvSource({
        "9, 2, 0.0654296875",
        "40, 60, 0.05688793364098089",
        "0, 10, 0.001953125",
        "5200, 5000, 0.04878796312682234",
        "3, 3, 1",
        "0, 0, 1"
    })
    void rightAndWrongItemsAreMcNemarsExactTest(int gained, int lost, double p) {
        Paired paired = rightOrWrong(gained, lost, 40);

        assertEquals(p, paired.pValue().getAsDouble(), 1e-9);
        assertEquals((gained - lost) / (gained + lost + 40.0), paired.difference(), 1e-12);
    }

    @Test
    void otherNumbersAreThePairedTTest() {
        double[] first = {0.1, 0.4, 0.35, 0.8, 0.9, 0.55};
        double[] second = {0.3, 0.5, 0.3, 0.95, 1.0, 0.75};

        Paired paired = Paired.of(first, second);

        assertEquals(0.02779319544333321, paired.pValue().getAsDouble(), 1e-10);
        assertEquals(
                3.0697030675746015,
                paired.difference() / paired.standardError().getAsDouble(),
                1e-12);
        assertEquals(-paired.difference(), Paired.of(second, first).difference(), 1e-15);
    }

    @Test
    void equalModelsDoNotDifferAndOneNumberTellsNothing() {
        double[] values = {0.5, 0.25};

        assertEquals(1, Paired.of(values, values).pValue().getAsDouble());
        assertEquals(
                OptionalDouble.empty(), Paired.of(new double[] {0.5}, new double[] {0.6}).pValue());
        assertThrows(IllegalArgumentException.class, () -> Paired.of(values, new double[1]));
    }

    @ParameterizedTest
    @CsvSource({
        "2.5, 0.5, 0.3, 0.018927124071945658",
        "50, 0.5, 0.99, 0.3173043978741973",
        "0.5, 0.5, 0.2, 0.2951672353008665",
        "5, 7, 0.9, 0.9999771003"
    })
    void incompleteBetaIsThatOfTheBooks(double a, double b, double x, double expected) {
        assertEquals(expected, SpecialFunctions.incompleteBeta(a, b, x), 1e-11);
    }

    @ParameterizedTest
    @CsvSource({
        "0.5, 0.5723649429247",
        "1, 0",
        "3.3, 0.9870985778947343",
        "14.9, 24.924132002217277",
        "15.1, 25.458999750992664",
        "1000, 5905.220423209181"
    })
    void logGammaIsThatOfTheBooks(double x, double expected) {
        assertEquals(expected, SpecialFunctions.logGamma(x), 1e-11);
    }

    @Test
    void wilsonsIntervalIsThatOfTheBooks() {
        Interval seven = Interval.wilson(0.7, 10);

        assertEquals(0.39677814746114526, seven.low(), 1e-12);
        assertEquals(0.892208732593699, seven.high(), 1e-12);
        assertEquals(0.16112515805281935, Interval.wilson(0, 20).high(), 1e-12);
        assertEquals(0.8388748419471808, Interval.wilson(1, 20).low(), 1e-12);
        assertEquals(1, Interval.wilson(1, 20).high(), 1e-12);
        assertTrue(Interval.normal(2, OptionalDouble.empty()).isEmpty());
        assertEquals(
                2 - 1.959963984540054 / 2,
                Interval.normal(2, OptionalDouble.of(0.5)).orElseThrow().low(),
                1e-12);
    }
}
