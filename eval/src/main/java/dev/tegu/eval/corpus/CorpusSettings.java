package dev.tegu.eval.corpus;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.Optional;

/**
 * Size and mixture of the demo corpus.
 *
 * @param trainDocuments documents to train on, 1 or more; one has about 450 characters by default
 * @param validationDocuments documents to validate on, 1 or more, of the same mixture
 * @param heldoutCharacters length of the text for perplexity and haystacks, 1,000 or more; the last
 *     document may reach beyond it
 * @param statementParts share of statements, in parts of the sum of the three, 0 or more
 * @param recallParts share of records with questions
 * @param needleParts share of needles in statements
 * @param minRecords fewest records of a recall document, 1 or more
 * @param maxRecords most records of a recall document, {@code minRecords} to 10,000
 * @param minQuestions fewest questions of a recall document, 1 to 16; one with fewer records asks
 *     about each of them. Most: 16
 * @param minNeedleCharacters shortest passage around a needle, in characters, 200 or more
 * @param maxNeedleCharacters longest passage around a needle, in characters
 * @param seed seed of every document
 * @param worldSeed seed of the world's facts, {@code seed} if not given: another {@code seed} with
 *     the same world makes other documents that tell the same facts
 */
public record CorpusSettings(
        @Default("20000") int trainDocuments,
        @Default("200") int validationDocuments,
        @Default("60000") int heldoutCharacters,
        @Default("2") int statementParts,
        @Default("1") int recallParts,
        @Default("1") int needleParts,
        @Default("4") int minRecords,
        @Default("16") int maxRecords,
        @Default("1") int minQuestions,
        @Default("200") int minNeedleCharacters,
        @Default("800") int maxNeedleCharacters,
        @Default("0") long seed,
        Optional<Long> worldSeed) {
    /** Most questions of a recall document. */
    static final int MOST_QUESTIONS = 16;

    /**
     * @throws InvalidValueException if a number is out of range
     */
    public CorpusSettings {
        require("train_documents", trainDocuments, 1, Integer.MAX_VALUE);
        require("validation_documents", validationDocuments, 1, Integer.MAX_VALUE);
        require("heldout_characters", heldoutCharacters, 1_000, Integer.MAX_VALUE);
        require("statement_parts", statementParts, 0, 1_000);
        require("recall_parts", recallParts, 0, 1_000);
        require("needle_parts", needleParts, 0, 1_000);
        if (statementParts + recallParts + needleParts == 0) {
            throw new InvalidValueException(
                    "statement_parts",
                    "with `recall_parts` and `needle_parts` at 0 too there is no document to make");
        }
        require("min_records", minRecords, 1, 10_000);
        require("max_records", maxRecords, minRecords, 10_000);
        require("min_questions", minQuestions, 1, MOST_QUESTIONS);
        require("min_needle_characters", minNeedleCharacters, 200, 1_000_000);
        require("max_needle_characters", maxNeedleCharacters, minNeedleCharacters, 1_000_000);
    }

    private static void require(String key, int value, int min, int max) {
        if (value < min || value > max) {
            throw new InvalidValueException(
                    key, "expected " + min + " to " + max + ", found " + value);
        }
    }
}
