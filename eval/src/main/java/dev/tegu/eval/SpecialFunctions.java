package dev.tegu.eval;

/**
 * What the tests of significance need, to about ten digits.
 *
 * @see <a href="https://dlmf.nist.gov/8.17">NIST's library of functions, section 8.17</a>
 */
final class SpecialFunctions {
    private static final double TINY = 1e-300;
    private static final double ENOUGH = 1e-15;
    private static final int MOST_TERMS = 10_000;

    /** Where Stirling's series is good to 1e-15. */
    private static final double LARGE = 15;

    private SpecialFunctions() {}

    /** ln of the gamma function, x above 0: Stirling's series, after a few steps upwards. */
    static double logGamma(double x) {
        double shift = 0;
        double large = x;
        while (large < LARGE) {
            shift += Math.log(large);
            large++;
        }
        double inverse = 1 / large;
        double square = inverse * inverse;
        double series =
                inverse
                        * (1 / 12.0
                                - square * (1 / 360.0 - square * (1 / 1260.0 - square / 1680.0)));
        return (large - 0.5) * Math.log(large) - large + Math.log(2 * Math.PI) / 2 + series - shift;
    }

    /**
     * The regularized incomplete beta function I_x(a, b), by its continued fraction (8.17.22), with
     * Lentz's method.
     *
     * @param x 0 to 1
     */
    static double incompleteBeta(double a, double b, double x) {
        if (x <= 0 || x >= 1) {
            return x <= 0 ? 0 : 1;
        }
        // The fraction converges fast on this side of the mean.
        if (x > (a + 1) / (a + b + 2)) {
            return 1 - incompleteBeta(b, a, 1 - x);
        }
        double front =
                Math.exp(
                                a * Math.log(x)
                                        + b * Math.log1p(-x)
                                        + logGamma(a + b)
                                        - logGamma(a)
                                        - logGamma(b))
                        / a;
        double c = 1;
        double d = 0;
        double fraction = 1;
        for (int i = 0; i < MOST_TERMS; i++) {
            int m = i / 2;
            double numerator;
            if (i == 0) {
                numerator = 1;
            } else if (i % 2 == 0) {
                numerator = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
            } else {
                numerator = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
            }
            d = nonZero(1 + numerator * d);
            c = nonZero(1 + numerator / c);
            d = 1 / d;
            fraction *= c * d;
            if (Math.abs(1 - c * d) < ENOUGH) {
                break;
            }
        }
        return front * (fraction - 1);
    }

    private static double nonZero(double value) {
        return Math.abs(value) < TINY ? TINY : value;
    }
}
