package dev.tegu.tokenizer;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/**
 * Numbers as Python writes them: the fewest digits that mean the same double, in fixed notation
 * from 1e-4 up to 1e16, else with an exponent of two digits or more.
 */
public final class PythonFloat {
    private static final int MOST_DIGITS = 17;
    private static final int FIXED_FROM = -4;
    private static final int FIXED_BELOW = 16;

    private PythonFloat() {}

    /**
     * Python's {@code repr} and {@code str} of a float: {@code 1.0}, {@code 1e-05}, {@code inf}.
     */
    public static String repr(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "inf" : "-inf";
        }
        String sign = Double.doubleToRawLongBits(value) < 0 ? "-" : "";
        if (value == 0) {
            return sign + "0.0";
        }
        BigDecimal shortest = shortest(Math.abs(value));
        String digits = shortest.unscaledValue().toString();
        int exponent = digits.length() - 1 - shortest.scale();
        return sign
                + (exponent >= FIXED_FROM && exponent < FIXED_BELOW
                        ? fixed(shortest)
                        : scientific(digits, exponent));
    }

    /** As Python's {@code json} writes it: as {@link #repr}, but {@code Infinity}, {@code NaN}. */
    static String json(double value) {
        return Double.isFinite(value) ? repr(value) : Double.toString(value);
    }

    private static BigDecimal shortest(double value) {
        BigDecimal exact = new BigDecimal(value);
        BigDecimal rounded = exact;
        for (int digits = 1; digits <= MOST_DIGITS; digits++) {
            rounded = exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
            if (rounded.doubleValue() == value) {
                break;
            }
        }
        return rounded.stripTrailingZeros();
    }

    private static String fixed(BigDecimal value) {
        String plain = value.toPlainString();
        return value.scale() <= 0 ? plain + ".0" : plain;
    }

    private static String scientific(String digits, int exponent) {
        String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
        String power = (exponent < 0 ? "-" : "+") + (Math.abs(exponent) < 10 ? "0" : "");
        return digits.charAt(0) + fraction + "e" + power + Math.abs(exponent);
    }
}
