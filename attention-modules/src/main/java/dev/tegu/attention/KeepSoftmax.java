package dev.tegu.attention;

import dev.tegu.config.Bare;
import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Which layers stay softmax: a list of their numbers, or a fraction of all layers.
 *
 * @param layers numbers from 0
 * @param fraction share of the layers, evenly spaced, each the last of its group: of 8 layers, 0.25
 *     keeps 3 and 7 (Liger's hybrid keeps every eighth so)
 */
public record KeepSoftmax(
        @Bare @Default("[]") List<Integer> layers, @Bare Optional<Double> fraction) {
    /** Refuses negative numbers, a fraction outside [0, 1], and both at once. */
    public KeepSoftmax {
        layers = List.copyOf(layers);
        if (layers.stream().anyMatch(layer -> layer < 0)) {
            throw new InvalidValueException("", "a layer number cannot be negative");
        }
        if (fraction.isPresent() && !(fraction.get() >= 0 && fraction.get() <= 1)) {
            throw new InvalidValueException(
                    "", "a fraction lies between 0 and 1, found " + fraction.get());
        }
        if (fraction.isPresent() && !layers.isEmpty()) {
            throw new InvalidValueException("fraction", "give layers or a fraction, not both");
        }
    }

    /**
     * The layers of a model that stay softmax.
     *
     * @throws InvalidValueException if a layer is named that the model does not have
     */
    public List<Integer> of(int numLayers) {
        List<Integer> absent = layers.stream().filter(layer -> layer >= numLayers).toList();
        if (!absent.isEmpty()) {
            throw new InvalidValueException(
                    "keep_softmax",
                    "names the layers "
                            + absent
                            + ", the model has the layers 0 to "
                            + (numLayers - 1));
        }
        if (fraction.isEmpty()) {
            return layers;
        }
        int kept = (int) Math.round(fraction.get() * numLayers);
        return IntStream.rangeClosed(1, kept).map(i -> i * numLayers / kept - 1).boxed().toList();
    }

    /** These layers and no others. */
    public static KeepSoftmax layers(List<Integer> layers) {
        return new KeepSoftmax(layers, Optional.empty());
    }
}
