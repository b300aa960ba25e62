package dev.tegu.attention;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.List;

/**
 * The switches of the one attention layer; every method of the literature that Tegu knows is a
 * corner of it. {@code docs/attention.md} has the formula.
 *
 * @param featureMap phi of the linear branch
 * @param gate forgetting of the linear branch
 * @param window softmax over the last tokens
 * @param linearScope which tokens the linear branch sums over
 * @param linearRope whether the linear branch's feature map sees rotated queries and keys (LoLCATs)
 *     or plain ones (Lizard)
 * @param combine how the branches become one output
 * @param normalize whether the linear branch is divided by its sum of weights
 * @param keepSoftmax numbers of the layers that stay softmax
 */
public record AttentionSpec(
        @Default("hedgehog") FeatureMapSpec featureMap,
        @Default("none") GateSpec gate,
        @Default("{}") WindowSpec window,
        @Default("all") LinearScope linearScope,
        @Default("true") boolean linearRope,
        @Default("shared_denominator") CombineSpec combine,
        @Default("true") boolean normalize,
        @Default("[]") List<Integer> keepSoftmax) {

    /** Which tokens the linear branch sums over. */
    public enum LinearScope {
        /** Every token up to the current one, those in the window too (Lizard). */
        ALL,
        /** Only tokens that have left the window (LoLCATs). */
        OUTSIDE_WINDOW,
        /** No linear branch. */
        NONE
    }

    /** Refuses switches that contradict each other. */
    public AttentionSpec {
        keepSoftmax = List.copyOf(keepSoftmax);
        if (keepSoftmax.stream().anyMatch(layer -> layer < 0)) {
            throw new InvalidValueException("keep_softmax", "a layer number cannot be negative");
        }
        boolean linear = linearScope != LinearScope.NONE;
        boolean zero = combine.kind() == CombineSpec.Kind.NONE;
        if (!zero && window.size() == 0 && !linear) {
            throw new InvalidValueException(
                    "window.size",
                    "0 leaves nothing to attend to, since `linear_scope` is `none`; give the window"
                            + " a size, or set `linear_scope: all` (the control without any"
                            + " attention says `combine: none`)");
        }
        if (zero && (window.size() > 0 || linear)) {
            throw new InvalidValueException(
                    "combine",
                    "`none` goes with `window: {size: 0}` and `linear_scope: none` only");
        }
        if (!linear && gate.kind() != GateSpec.Kind.NONE) {
            throw new InvalidValueException(
                    "gate", "there is no linear branch to gate, since `linear_scope` is `none`");
        }
        if (!normalize && combine.kind() == CombineSpec.Kind.SHARED_DENOMINATOR) {
            throw new InvalidValueException(
                    "normalize",
                    "`combine: shared_denominator` always normalizes; use `combine: sum`");
        }
    }

    /** Whether there is a linear branch. */
    public boolean isLinear() {
        return linearScope != LinearScope.NONE;
    }

    /** Whether the linear branch waits until a token has left the window. */
    public boolean isOutsideWindow() {
        return linearScope == LinearScope.OUTSIDE_WINDOW && window.size() > 0;
    }

    /** Whether the linear branch forgets. */
    public boolean isGated() {
        return gate.kind() != GateSpec.Kind.NONE;
    }
}
