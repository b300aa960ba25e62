package dev.tegu.config;

import java.math.BigInteger;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** How unquoted scalars are read: the same rules for every type, so that nothing is guessed. */
final class Scalars {

    /** What an unquoted scalar says. */
    enum Type {
        INTEGER,
        DECIMAL,
        BOOLEAN,
        NULL,
        TEXT
    }

    /**
     * Decimal digits, underscores between digits; no leading zeros, which YAML 1.1 reads as octal.
     */
    private static final Pattern INTEGER = Pattern.compile("[-+]?(0|[1-9][0-9]*(_[0-9]+)*)");

    private static final Pattern DECIMAL =
            Pattern.compile("[-+]?([0-9]+(_[0-9]+)*(\\.[0-9]*)?|\\.[0-9]+)([eE][-+]?[0-9]{1,6})?");

    private Scalars() {}

    static Type plainType(String text) {
        if (text.isEmpty() || text.equals("~") || text.equalsIgnoreCase("null")) {
            return Type.NULL;
        }
        if (text.equals("true") || text.equals("false")) {
            return Type.BOOLEAN;
        }
        if (INTEGER.matcher(text).matches()) {
            return Type.INTEGER;
        }
        return DECIMAL.matcher(text).matches() ? Type.DECIMAL : Type.TEXT;
    }

    /** The whole number that the text says; empty if it says none, or has a fraction. */
    static Optional<BigInteger> integer(String text) {
        return INTEGER.matcher(text).matches()
                ? Optional.of(new BigInteger(digits(text)))
                : Optional.empty();
    }

    /** The finite double nearest to the number that the text says; empty if there is none. */
    static Optional<Double> decimal(String text) {
        if (!INTEGER.matcher(text).matches() && !DECIMAL.matcher(text).matches()) {
            return Optional.empty();
        }
        double value = Double.parseDouble(digits(text));
        return Double.isFinite(value) ? Optional.of(value) : Optional.empty();
    }

    private static String digits(String text) {
        String bare = text.startsWith("+") ? text.substring(1) : text;
        return bare.replace("_", "");
    }

    /**
     * A double as this project writes it: {@code 0.01}, {@code 1.0e-4}; reading gives the same one.
     *
     * @throws IllegalArgumentException if it is not finite, which configurations cannot say
     */
    static String format(double value) {
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException("a configuration cannot hold " + value);
        }
        return Double.toString(value).toLowerCase(Locale.ROOT);
    }
}
