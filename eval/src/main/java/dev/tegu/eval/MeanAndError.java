package dev.tegu.eval;

import java.util.OptionalDouble;

/**
 * A mean and how well it is known.
 *
 * @param mean arithmetic mean
 * @param standardError sample standard deviation (divisor n - 1) over the square root of n, taking
 *     the values as independent; empty for a single value and where the mean is infinite
 */
public record MeanAndError(double mean, OptionalDouble standardError) {

    /**
     * Of these values.
     *
     * @throws IllegalArgumentException if there is no value
     */
    public static MeanAndError of(double[] values) {
        if (values.length == 0) {
            throw new IllegalArgumentException("values: expected at least one");
        }
        double sum = 0;
        for (double value : values) {
            sum += value;
        }
        double mean = sum / values.length;
        if (values.length == 1 || Double.isInfinite(mean)) {
            return new MeanAndError(mean, OptionalDouble.empty());
        }
        double squares = 0;
        for (double value : values) {
            squares += (value - mean) * (value - mean);
        }
        double variance = squares / (values.length - 1);
        return new MeanAndError(mean, OptionalDouble.of(Math.sqrt(variance / values.length)));
    }
}
