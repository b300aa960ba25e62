package dev.tegu.distill;

import dev.tegu.config.Default;
import dev.tegu.config.Flat;
import dev.tegu.config.InvalidValueException;
import dev.tegu.model.ModelConfig;
import java.util.List;

/**
 * The block {@code matrix_orientation}: the new attention's matrices learn to be the old one's.
 *
 * @param training how much is read, and how the steps are taken; tokens count as this stage reads
 *     them
 * @param sequenceLength tokens from each sequence's start that are read, at least 1 and no more
 *     than a sequence has; the matrices of all heads stand in memory, so it is short
 * @param layers numbers of the linearized layers that are trained; none: all
 */
public record MatrixOrientationSettings(
        @Flat("{learning_rate: 1.0e-2}") TrainingSettings training,
        @Default("128") int sequenceLength,
        @Default("[]") List<Integer> layers) {

    /**
     * @throws InvalidValueException if a value is outside its range
     */
    public MatrixOrientationSettings {
        layers = List.copyOf(layers);
        Checks.require(sequenceLength >= 1, "sequence_length", "1 or more", sequenceLength);
        TransferLayers.checkRange(layers);
    }

    /**
     * Refuses settings that do not fit a student.
     *
     * @throws InvalidValueException at {@code matrix_orientation.layers}
     */
    public void check(ModelConfig student) {
        TransferLayers.of(MatrixOrientation.STAGE, layers, student);
    }

    /**
     * Refuses sequences that are shorter than what is read of them.
     *
     * @param available tokens of a sequence of the data
     * @throws InvalidValueException at {@code matrix_orientation.sequence_length}
     */
    public void checkLength(int available) {
        Checks.require(
                sequenceLength <= available,
                MatrixOrientation.STAGE + ".sequence_length",
                "at most " + available + ", the `sequence_length` of `data`",
                sequenceLength);
    }
}
