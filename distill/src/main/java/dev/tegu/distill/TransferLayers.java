package dev.tegu.distill;

import dev.tegu.config.InvalidValueException;
import dev.tegu.model.ModelConfig;
import java.util.List;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;

/** The setting {@code layers}: which linearized layers a stage trains. */
final class TransferLayers {
    private static final String KEY = "layers";

    private TransferLayers() {}

    /**
     * @throws InvalidValueException at {@code layers} if a number is negative or stands there twice
     */
    static void checkRange(List<Integer> layers) {
        boolean plain =
                Set.copyOf(layers).size() == layers.size()
                        && layers.stream().allMatch(layer -> layer >= 0);
        Checks.require(plain, KEY, "numbers from 0 on, none twice", layers);
    }

    /**
     * @param stage the stage's key in the configuration
     * @param layers numbers as set; none: every linearized layer
     * @throws InvalidValueException at {@code STAGE.layers} if the student has no such layer, or
     *     keeps its softmax
     */
    static SortedSet<Integer> of(String stage, List<Integer> layers, ModelConfig student) {
        SortedSet<Integer> linear = new TreeSet<>();
        for (int i = 0; i < student.numLayers(); i++) {
            if (student.isLinear(i)) {
                linear.add(i);
            }
        }
        for (int layer : layers) {
            if (!linear.contains(layer)) {
                throw new InvalidValueException(
                        stage + "." + KEY,
                        layer < student.numLayers()
                                ? ("layer " + layer + " keeps its softmax, there is nothing to")
                                        + (" train; the linearized layers are " + linear)
                                : ("no layer " + layer + ": the model has " + student.numLayers())
                                        + ", counted from 0");
            }
        }
        return layers.isEmpty() ? linear : new TreeSet<>(layers);
    }
}
