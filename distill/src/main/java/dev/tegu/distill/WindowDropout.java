package dev.tegu.distill;

import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.InvalidValueException;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import java.util.List;

/**
 * Scheduled sliding-window dropout: a layer of a student goes through a training batch without its
 * window, with a probability that changes over the stage. A window alone does so well on short
 * texts that the linear branch beside it is never needed and never learns; without the window it
 * has to.
 *
 * <p>Each layer draws for itself, once a batch, from the step's numbers: a resumed run drops the
 * same windows, and a layer does not depend on which others are trained. Measurements drop nothing.
 *
 * @see <a href="https://arxiv.org/abs/2510.05901">Untangling Component Imbalance in Hybrid Linear
 *     Attention Conversion</a>
 */
final class WindowDropout {
    /** The key, in the block of a stage. */
    static final String KEY = "window_dropout";

    private final List<Double> probabilities;

    /**
     * @param probabilities over equal parts of the stage, for example 0.9, 0.75, 0.5; none: nothing
     *     is ever dropped
     */
    WindowDropout(List<Double> probabilities) {
        this.probabilities = List.copyOf(probabilities);
    }

    /**
     * @throws InvalidValueException at {@code window_dropout} unless all are from 0 to 1
     */
    static void checkRange(List<Double> probabilities) {
        probabilities.forEach(probability -> Checks.part(KEY, probability));
    }

    /**
     * Refuses a method that this cannot help.
     *
     * @param stage the stage's key in the configuration
     * @throws InvalidValueException at {@code STAGE.window_dropout} if something is to be dropped
     *     and the method has no window, or nothing beside it
     */
    static void check(String stage, List<Double> probabilities, AttentionSpec method) {
        if (!probabilities.isEmpty() && !method.hasBothBranches()) {
            throw new InvalidValueException(
                    stage + "." + KEY,
                    (method.isLinear()
                                    ? "the method has no window to drop"
                                    : "the method has no linear branch to fall back on")
                            + "; set `[]`, or take a method with both, such as lolcats");
        }
    }

    /** Probability at a step, of a stage that goes through the list in equal parts. */
    double probability(StepContext context) {
        if (probabilities.isEmpty()) {
            return 0;
        }
        long part = context.step() * probabilities.size() / context.totalSteps();
        return probabilities.get(Math.toIntExact(part));
    }

    /** Draws for each linearized layer whether its window is dropped, until {@link #end}. */
    void begin(DecoderModel model, StepContext context) {
        double probability = probability(context);
        List<DecoderLayer> layers = model.layers();
        for (int i = 0; i < layers.size(); i++) {
            if (layers.get(i).attention().isPresent()
                    && context.random(KEY, i).nextDouble() < probability) {
                layers.get(i).dropWindow();
            }
        }
    }

    /** Gives every layer its window back; harmless where none was taken. */
    static void end(DecoderModel model) {
        model.layers().forEach(DecoderLayer::keepWindow);
    }
}
