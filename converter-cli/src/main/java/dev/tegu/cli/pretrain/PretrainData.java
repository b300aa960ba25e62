package dev.tegu.cli.pretrain;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.data.DataFormat;
import java.util.List;

/**
 * The block {@code data} of a pretraining.
 *
 * @param train files to train on, in this order; none where the corpus is generated
 * @param validation files to measure on, never trained on; may be empty
 * @param format how the files are written
 * @param sequenceLength tokens of one training sequence, at least 2
 */
public record PretrainData(
        @Default("[]") List<String> train,
        @Default("[]") List<String> validation,
        @Default("text") DataFormat format,
        @Default("512") int sequenceLength) {

    /**
     * @throws InvalidValueException if a path is blank, or the sequence length is under 2
     */
    public PretrainData {
        train = List.copyOf(train);
        validation = List.copyOf(validation);
        refuseBlank("train", train);
        refuseBlank("validation", validation);
        if (sequenceLength < 2) {
            throw new InvalidValueException(
                    "sequence_length", "expected at least 2 tokens, found " + sequenceLength);
        }
    }

    private static void refuseBlank(String key, List<String> paths) {
        if (paths.stream().anyMatch(String::isBlank)) {
            throw new InvalidValueException(key, "a path is blank");
        }
    }
}
