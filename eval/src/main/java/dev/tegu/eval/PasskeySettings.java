package dev.tegu.eval;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.List;

/**
 * Which documents the tasks {@code passkey} and {@code passkey_5} make: {@code samples} of every
 * length at every depth.
 *
 * @param lengths tokens of the prompt with BOS and of the answer's budget together, 64 or more each
 * @param depths where the passkey stands that is asked for, from 0 (at the beginning) to 1 (before
 *     the question)
 * @param samples documents of each length and depth, 1 or more
 */
public record PasskeySettings(
        @Default("[512, 1024, 2048]") List<Integer> lengths,
        @Default("[0.0, 0.25, 0.5, 0.75, 1.0]") List<Double> depths,
        @Default("4") int samples) {
    /**
     * @throws InvalidValueException if a number is out of range
     */
    public PasskeySettings {
        lengths = RecallRanges.each("lengths", lengths, 64);
        RecallRanges.notEmptyNorTwice("depths", depths);
        depths = List.copyOf(depths);
        for (double depth : depths) {
            if (!(depth >= 0 && depth <= 1)) {
                throw new InvalidValueException("depths", "expected 0 to 1, found " + depth);
            }
        }
        Ranges.atLeast("samples", samples, 1);
    }
}
