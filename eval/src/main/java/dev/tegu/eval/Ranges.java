package dev.tegu.eval;

import dev.tegu.config.InvalidValueException;

/** Range checks of the settings records. */
final class Ranges {
    private Ranges() {}

    /**
     * @param key snake_case key, for the error
     * @throws InvalidValueException if {@code value} is not in {@code min..max}
     */
    static void within(String key, int value, int min, int max) {
        if (value < min || value > max) {
            throw new InvalidValueException(
                    key, "expected " + min + " to " + max + ", found " + value);
        }
    }

    /**
     * @param key snake_case key, for the error
     * @throws InvalidValueException if {@code value} is below {@code min}
     */
    static void atLeast(String key, int value, int min) {
        if (value < min) {
            throw new InvalidValueException(key, "expected " + min + " or more, found " + value);
        }
    }
}
