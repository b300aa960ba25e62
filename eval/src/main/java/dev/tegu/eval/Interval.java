package dev.tegu.eval;

import java.util.Optional;
import java.util.OptionalDouble;

/**
 * A range that holds the true value of a metric in 95 of 100 measurements, if items are independent
 * samples.
 *
 * @param low lower end
 * @param high upper end
 */
public record Interval(double low, double high) {
    /** 97.5 % quantile of the normal distribution. */
    private static final double Z = 1.959963984540054;

    /** Value plus and minus 1.96 standard errors; empty without an error. */
    public static Optional<Interval> normal(double value, OptionalDouble error) {
        return error.isPresent() && Double.isFinite(value)
                ? Optional.of(
                        new Interval(
                                value - Z * error.getAsDouble(), value + Z * error.getAsDouble()))
                : Optional.empty();
    }

    /**
     * Wilson's score interval of a share, which stays within 0 and 1 and has a width at their ends,
     * where the standard error is 0.
     *
     * @param share right answers over questions
     * @param count questions, 1 or more
     */
    public static Interval wilson(double share, int count) {
        double z2 = Z * Z / count;
        double centre = (share + z2 / 2) / (1 + z2);
        double half = Z / (1 + z2) * Math.sqrt(share * (1 - share) / count + z2 / (4.0 * count));
        return new Interval(Math.max(0, centre - half), Math.min(1, centre + half));
    }
}
