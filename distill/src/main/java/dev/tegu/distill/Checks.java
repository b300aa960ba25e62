package dev.tegu.distill;

import dev.tegu.config.InvalidValueException;

/** Ranges of settings, for the constructors of their records. */
final class Checks {
    private Checks() {}

    /**
     * @throws InvalidValueException at the key, unless it holds
     */
    static void require(boolean holds, String key, String expected, Object found) {
        if (!holds) {
            throw new InvalidValueException(key, "expected " + expected + ", found " + found);
        }
    }

    static void positive(String key, double value) {
        require(value > 0 && Double.isFinite(value), key, "a number above 0", value);
    }

    static void part(String key, double value) {
        require(value >= 0 && value <= 1, key, "a number from 0 to 1", value);
    }

    static void notNegative(String key, double value) {
        require(value >= 0 && Double.isFinite(value), key, "0 or more", value);
    }
}
