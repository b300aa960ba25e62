package dev.tegu.eval;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.List;

/**
 * Which documents the task {@code recall} makes.
 *
 * @param records key-value records of a document, 1 to 10,000
 * @param questions questions scored of a document, 1 to {@code records}; each follows the ones
 *     before with their right answers
 * @param samples number of documents, 1 or more
 * @param beyond distances in tokens, 1 or more each: for each, the accuracy over the questions
 *     whose record ends at least so far before the answer is a metric of its own, {@code
 *     acc_beyond_N}; a window of N tokens does not see those
 * @param lengths tokens of a document with its last answer, 32 or more each: {@code samples}
 *     documents of each, as long as fits; {@code records} does not count then. Empty: none
 */
public record RecallSettings(
        @Default("16") int records,
        @Default("1") int questions,
        @Default("50") int samples,
        @Default("[]") List<Integer> beyond,
        @Default("[]") List<Integer> lengths) {

    /** Documents of one size. */
    public RecallSettings(int records, int questions, int samples, List<Integer> beyond) {
        this(records, questions, samples, beyond, List.of());
    }

    /**
     * @throws InvalidValueException if a number is out of range
     */
    public RecallSettings {
        Ranges.within("records", records, 1, 10_000);
        Ranges.within("questions", questions, 1, records);
        Ranges.atLeast("samples", samples, 1);
        beyond = List.copyOf(beyond);
        beyond.forEach(distance -> Ranges.atLeast("beyond", distance, 1));
        lengths = lengths.isEmpty() ? List.of() : RecallRanges.each("lengths", lengths, 32);
    }
}
