package dev.tegu.cli.report;

import dev.tegu.eval.Interval;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/** Numbers as they stand on the page. */
final class Words {
    private static final double LEAST_P = 1e-4;
    private static final double LARGE = 1000;

    private Words() {}

    /** Three decimals below 10, else four digits; words where it is not finite. */
    static String value(double value) {
        if (Double.isNaN(value)) {
            return "-";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "∞" : "-∞";
        }
        double size = Math.abs(value);
        if (size >= LARGE) {
            return String.format(Locale.ROOT, "%,.0f", value);
        }
        if (size >= 100) {
            return String.format(Locale.ROOT, "%.1f", value);
        }
        return String.format(Locale.ROOT, size < 10 ? "%.3f" : "%.2f", value);
    }

    /** A number of any size, three digits: {@code 0.00123}, {@code 1.23e-07}. */
    static String small(double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%.3g", value) : value(value);
    }

    /** With its sign, and a minus that is as wide as a plus. */
    static String difference(double value) {
        String size = value(Math.abs(value));
        return (value < 0 ? "−" : "+") + size;
    }

    static String interval(Interval interval) {
        return value(interval.low()) + " to " + value(interval.high());
    }

    static String p(OptionalDouble p) {
        if (p.isEmpty()) {
            return "-";
        }
        return p.getAsDouble() < LEAST_P
                ? "< 0.0001"
                : String.format(Locale.ROOT, "%.4f", p.getAsDouble());
    }

    static String percent(double share) {
        return String.format(Locale.ROOT, "%.0f %%", 100 * share);
    }

    static String whole(long number) {
        return String.format(Locale.ROOT, "%,d", number);
    }

    static String whole(double number) {
        return String.format(Locale.ROOT, "%,.0f", number);
    }

    /** {@code a}, {@code a and b}, {@code a, b and c}. */
    static String list(List<String> names) {
        int last = names.size() - 1;
        return last < 1
                ? String.join("", names)
                : String.join(", ", names.subList(0, last)) + " and " + names.get(last);
    }
}
