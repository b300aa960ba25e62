package dev.tegu.eval;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;

/**
 * Which documents the task {@code recall} makes.
 *
 * @param records key-value records of a document, 1 to 10,000
 * @param questions questions scored of a document, 1 to {@code records}; each follows the ones
 *     before with their right answers
 * @param samples number of documents, 1 or more
 */
public record RecallSettings(
        @Default("16") int records, @Default("1") int questions, @Default("50") int samples) {
    /**
     * @throws InvalidValueException if a number is out of range
     */
    public RecallSettings {
        Ranges.within("records", records, 1, 10_000);
        Ranges.within("questions", questions, 1, records);
        Ranges.atLeast("samples", samples, 1);
    }
}
