package dev.tegu.eval;

import dev.tegu.config.InvalidValueException;
import java.util.HashSet;
import java.util.List;

/** Checks of lists in the settings of recall tasks. */
final class RecallRanges {
    private RecallRanges() {}

    /**
     * A copy of the list.
     *
     * @throws InvalidValueException if it is empty, has a number twice, or one below {@code min}
     */
    static List<Integer> each(String key, List<Integer> values, int min) {
        notEmptyNorTwice(key, values);
        values.forEach(value -> Ranges.atLeast(key, value, min));
        return List.copyOf(values);
    }

    /**
     * @throws InvalidValueException if the list is empty or has a value twice
     */
    static void notEmptyNorTwice(String key, List<?> values) {
        if (values.isEmpty()) {
            throw new InvalidValueException(key, "expected one or more numbers");
        }
        if (new HashSet<>(values).size() < values.size()) {
            throw new InvalidValueException(key, "a number stands there twice");
        }
    }
}
