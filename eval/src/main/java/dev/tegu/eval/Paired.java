package dev.tegu.eval;

import java.util.OptionalDouble;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * Two models on the same items: what the second has more than the first, and how likely a
 * difference as large would be, either way, if the models were equally good.
 *
 * <p>Items that are right or wrong: McNemar's exact test, over the items where the models differ.
 * Other numbers: the paired t-test. Pairing takes away what makes items hard for both, so a
 * difference can be certain where the models' own intervals overlap.
 *
 * @param items how many
 * @param difference mean of second minus first
 * @param standardError of the difference, empty for one item
 * @param pValue two-sided, 0 to 1; empty where it cannot be told (one item that is not right or
 *     wrong)
 */
public record Paired(
        int items, double difference, OptionalDouble standardError, OptionalDouble pValue) {

    /**
     * Of two models' values, item by item.
     *
     * @throws IllegalArgumentException if the lengths differ, or there is no item
     */
    public static Paired of(double[] first, double[] second) {
        if (first.length != second.length) {
            throw new IllegalArgumentException(
                    "expected values of the same items, found "
                            + first.length
                            + " and "
                            + second.length);
        }
        double[] differences =
                IntStream.range(0, first.length).mapToDouble(i -> second[i] - first[i]).toArray();
        MeanAndError mean = MeanAndError.of(differences);
        boolean isRightOrWrong =
                DoubleStream.concat(DoubleStream.of(first), DoubleStream.of(second))
                        .allMatch(value -> value == 0 || value == 1);
        OptionalDouble p;
        if (isRightOrWrong) {
            int gained = (int) DoubleStream.of(differences).filter(d -> d > 0).count();
            int lost = (int) DoubleStream.of(differences).filter(d -> d < 0).count();
            p = OptionalDouble.of(signTest(gained, lost));
        } else {
            p =
                    mean.standardError().isPresent()
                            ? OptionalDouble.of(
                                    tTest(
                                            mean.mean(),
                                            mean.standardError().getAsDouble(),
                                            first.length - 1))
                            : OptionalDouble.empty();
        }
        return new Paired(first.length, mean.mean(), mean.standardError(), p);
    }

    /** McNemar's exact test: 2 P(X <= min(b, c)), X binomial over b + c fair coins, at most 1. */
    private static double signTest(int gained, int lost) {
        int n = gained + lost;
        double sum = 0;
        for (int k = 0; k <= Math.min(gained, lost); k++) {
            sum +=
                    Math.exp(
                            SpecialFunctions.logGamma(n + 1.0)
                                    - SpecialFunctions.logGamma(k + 1.0)
                                    - SpecialFunctions.logGamma(n - k + 1.0)
                                    - n * Math.log(2));
        }
        return Math.min(1, 2 * sum);
    }

    /** Probability of |t| or more under Student's distribution. */
    private static double tTest(double mean, double error, int degrees) {
        if (error == 0) {
            return mean == 0 ? 1 : 0;
        }
        double t = mean / error;
        return SpecialFunctions.incompleteBeta(degrees / 2.0, 0.5, degrees / (degrees + t * t));
    }
}
