package dev.tegu.eval.task;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.Optional;

/**
 * How tasks that are files are measured; the same for every model of an evaluation.
 *
 * @param data folder below which the tasks' files are; may be left out where the tasks bring theirs
 * @param numFewshot solved examples before each question, instead of the number that the task
 *     itself says, 0 or more
 * @param addBos whether BOS stands before every text
 * @param scoring what the model is asked of a question with several answers
 * @param permutations orders of the options that a question is asked in, 1 or more: the published
 *     one, then rotated by one, by two, ...; only for questions that show their options
 * @param overlong what is done with a text of more tokens than the model takes
 */
public record QuestionSettings(
        Optional<String> data,
        Optional<Integer> numFewshot,
        @Default("auto") AddBos addBos,
        @Default("likelihood") Scoring scoring,
        @Default("1") int permutations,
        @Default("truncate") Overlong overlong) {

    /** Whether BOS stands before every text. */
    public enum AddBos {
        /** As the tokenizer does by itself. */
        AUTO,
        /** Always. */
        TRUE,
        /** Never. */
        FALSE
    }

    /** What the model is asked of a question with several answers. */
    public enum Scoring {
        /** How probable each answer is. */
        LIKELIHOOD,
        /** To write the answer, greedily; the task's filter reads it. */
        GENERATE
    }

    /** What is done with a text of more tokens than the model takes. */
    public enum Overlong {
        /** Its beginning is cut off, and the result says of how many. */
        TRUNCATE,
        /** Nothing is measured. */
        REFUSE
    }

    /** All defaults. */
    public static final QuestionSettings DEFAULTS =
            new QuestionSettings(
                    Optional.empty(),
                    Optional.empty(),
                    AddBos.AUTO,
                    Scoring.LIKELIHOOD,
                    1,
                    Overlong.TRUNCATE);

    /**
     * @throws InvalidValueException if a number is out of range
     */
    public QuestionSettings {
        numFewshot
                .filter(number -> number < 0)
                .ifPresent(
                        number -> {
                            throw new InvalidValueException(
                                    "num_fewshot", "expected 0 or more, found " + number);
                        });
        if (permutations < 1) {
            throw new InvalidValueException(
                    "permutations", "expected 1 or more, found " + permutations);
        }
    }
}
