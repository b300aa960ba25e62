package dev.tegu.distill.data;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * The block {@code data} of an experiment.
 *
 * @param train files to train on, in this order; at least one. {@link DataFiles} says what a path
 *     may be
 * @param validation files to measure on, never trained on; may be empty
 * @param evaluation plain text files that evaluations measure; see {@link #evaluationTexts()}
 * @param format how the files to train and validate on are written
 * @param sequenceLength tokens of one training sequence, at least 2
 * @param packing how documents become sequences
 * @param documentMasks whether a token sees its own document alone, at the positions it would have
 *     there; else attention sees over the borders of the documents in a sequence
 * @param validationSplit part of the training documents that is kept for validation instead, from 0
 *     to under 1; {@link ValidationSplit} says which
 */
public record DataSettings(
        List<String> train,
        @Default("[]") List<String> validation,
        @Default("[]") List<String> evaluation,
        @Default("text") DataFormat format,
        @Default("512") int sequenceLength,
        @Default("joined") Packing packing,
        @Default("false") boolean documentMasks,
        @Default("0.0") double validationSplit) {

    /**
     * @throws InvalidValueException if there is no training file, a path is blank, the sequence
     *     length is under 2, or the split is out of range or beside files for validation
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
        if (!(validationSplit >= 0 && validationSplit < 1)) {
            throw new InvalidValueException(
                    "validation_split", "expected 0 to under 1, found " + validationSplit);
        }
        if (validationSplit > 0 && !validation.isEmpty()) {
            throw new InvalidValueException(
                    "validation_split",
                    "the files in `validation` are measured; leave one of the two out");
        }
    }

    /** Whether there is something to validate on. */
    public boolean hasValidation() {
        return validationSplit > 0 || !validation.isEmpty();
    }

    /**
     * Files that evaluations measure: those named for it, else the validation's where it is text.
     */
    public List<Path> evaluationTexts() throws IOException {
        return evaluation.isEmpty() && measuresText()
                ? DataFiles.find(validation, DataFiles.Split.VALIDATION, format)
                : evaluation.stream().map(Path::of).toList();
    }

    /** Whether there are files that evaluations measure. */
    public boolean measuresText() {
        return !evaluation.isEmpty() || (format == DataFormat.TEXT && !validation.isEmpty());
    }

    private static void refuseBlank(String key, List<String> paths) {
        if (paths.stream().anyMatch(String::isBlank)) {
            throw new InvalidValueException(key, "a path is blank");
        }
    }
}
