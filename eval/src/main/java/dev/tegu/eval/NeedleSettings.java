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
 * @param lengths tokens of a document with its last answer, 32 or more each: {@code samples}
 *     documents of each, as long as fits; {@code characters} does not count then. Empty: none
 */
public record NeedleSettings(
        @Default("1500") int characters,
        @Default("50") int samples,
        @Default("[]") List<Integer> beyond,
        @Default("[]") List<Integer> lengths) {

    /** Documents of one size. */
    public NeedleSettings(int characters, int samples, List<Integer> beyond) {
        this(characters, samples, beyond, List.of());
    }

    /**
     * @throws InvalidValueException if a number is out of range
     */
    public NeedleSettings {
        Ranges.atLeast("characters", characters, 100);
        Ranges.atLeast("samples", samples, 1);
        beyond = List.copyOf(beyond);
        beyond.forEach(distance -> Ranges.atLeast("beyond", distance, 1));
        lengths = lengths.isEmpty() ? List.of() : RecallRanges.each("lengths", lengths, 32);
    }
}
