package dev.tegu.eval;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.List;

/**
 * Which documents the task {@code needle} makes.
 *
 * @param characters length of the passage around the needle, in characters, 100 or more; a passage
 *     is whole sentences and has between half and all of it
 * @param samples number of documents, 1 or more
 * @param beyond as that of {@link RecallSettings}
 */
public record NeedleSettings(
        @Default("1500") int characters,
        @Default("50") int samples,
        @Default("[]") List<Integer> beyond) {
    /**
     * @throws InvalidValueException if a number is out of range
     */
    public NeedleSettings {
        Ranges.atLeast("characters", characters, 100);
        Ranges.atLeast("samples", samples, 1);
        beyond = List.copyOf(beyond);
        beyond.forEach(distance -> Ranges.atLeast("beyond", distance, 1));
    }
}
