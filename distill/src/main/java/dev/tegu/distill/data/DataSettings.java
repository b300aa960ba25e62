package dev.tegu.distill.data;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.List;

/**
 * The block {@code data} of an experiment.
 *
 * @param train files to train on, in this order; at least one
 * @param validation files to measure on, never trained on; may be empty
 * @param evaluation plain text files that evaluations measure; see {@link #evaluationTexts()}
 * @param format how the files to train and validate on are written
 * @param sequenceLength tokens of one training sequence, at least 2
 */
public record DataSettings(
        List<String> train,
        @Default("[]") List<String> validation,
        @Default("[]") List<String> evaluation,
        @Default("text") DataFormat format,
        @Default("512") int sequenceLength) {

    /**
     * @throws InvalidValueException if there is no training file, a path is blank, or the sequence
     *     length is under 2
     */
    public DataSettings {
        train = List.copyOf(train);
        validation = List.copyOf(validation);
        evaluation = List.copyOf(evaluation);
        if (train.isEmpty()) {
            throw new InvalidValueException("train", "expected at least one file, found none");
        }
        refuseBlank("train", train);
        refuseBlank("validation", validation);
        refuseBlank("evaluation", evaluation);
        if (sequenceLength < 2) {
            throw new InvalidValueException(
                    "sequence_length", "expected at least 2 tokens, found " + sequenceLength);
        }
    }

    /**
     * Files that evaluations measure: those named for it, else the validation's where it is text.
     */
    public List<String> evaluationTexts() {
        boolean sameAsValidation = evaluation.isEmpty() && format == DataFormat.TEXT;
        return sameAsValidation ? validation : evaluation;
    }

    private static void refuseBlank(String key, List<String> paths) {
        if (paths.stream().anyMatch(String::isBlank)) {
            throw new InvalidValueException(key, "a path is blank");
        }
    }
}
