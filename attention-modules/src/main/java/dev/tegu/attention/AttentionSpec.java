package dev.tegu.attention;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;

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
 * @param linearScale whether the weights of the linear branch are divided by the root of phi's
 *     width, as GLA and RetNet do; it matters only where nothing normalizes
 * @param combine how the branches become one output
 * @param normalize whether the linear branch is divided by its sum of weights
 * @param outputNorm whether each head of an unnormalized linear branch is divided by its root mean
 *     square over the head's width and multiplied by a learned weight, as GLA, RetNet and Lightning
 *     Attention do
 * @param update how a token enters the state
 * @param keepSoftmax layers that stay softmax
 */
public record AttentionSpec(
        @Default("hedgehog") FeatureMapSpec featureMap,
        @Default("none") GateSpec gate,
        @Default("{}") WindowSpec window,
        @Default("all") LinearScope linearScope,
        @Default("true") boolean linearRope,
        @Default("false") boolean linearScale,
        @Default("shared_denominator") CombineSpec combine,
        @Default("true") boolean normalize,
        @Default("false") boolean outputNorm,
        @Default("additive") Update update,
        @Default("[]") KeepSoftmax keepSoftmax) {

    private static final int MAX_WIDTH = 65_536;
    private static final int MAX_TAYLOR_WIDTH = 512;

    /** Which tokens the linear branch sums over. */
    public enum LinearScope {
        /** Every token up to the current one, those in the window too (Lizard). */
        ALL,
        /** Only tokens that have left the window (LoLCATs). */
        OUTSIDE_WINDOW,
        /** No linear branch. */
        NONE
    }

    /** How a token enters the state of the linear branch. */
    public enum Update {
        /** S = gate S + phi(k) v. */
        ADDITIVE
    }

    /** Refuses switches that contradict each other. */
    public AttentionSpec {
        boolean linear = linearScope != LinearScope.NONE;
        boolean windowed = window.size() > 0;
        CombineSpec.Kind kind = combine.kind();
        boolean zero = kind == CombineSpec.Kind.NONE;
        if (!zero && !windowed && !linear) {
            throw new InvalidValueException(
                    "window.size",
                    "0 leaves nothing to attend to, since `linear_scope` is `none`; give the window"
                            + " a size, or set `linear_scope: all` (the control without any"
                            + " attention says `combine: none`)");
        }
        if (zero && (windowed || linear)) {
            throw new InvalidValueException(
                    "combine",
                    "`none` goes with `window: {size: 0}` and `linear_scope: none` only");
        }
        if (!linear && gate.kind() != GateSpec.Kind.NONE) {
            throw new InvalidValueException(
                    "gate", "there is no linear branch to gate, since `linear_scope` is `none`");
        }
        if (kind == CombineSpec.Kind.AVERAGE && !(windowed && linear)) {
            throw new InvalidValueException(
                    "combine",
                    "`average` needs two branches: a window of at least 1 token and a"
                            + " `linear_scope` other than `none`");
        }
        boolean single = !(windowed && linear);
        if (single && (combine.windowFactorStart().isPresent() || combine.affine())) {
            throw new InvalidValueException(
                    combine.affine() ? "combine.affine" : "combine.window_factor_start",
                    "a window factor weighs two branches, and one of them is missing");
        }
        if (!windowed && combine.alphaStart().isPresent()) {
            throw new InvalidValueException(
                    "combine.alpha_start", "alpha weighs the window; give the window a size");
        }
        if (!normalize && kind == CombineSpec.Kind.SHARED_DENOMINATOR) {
            throw new InvalidValueException(
                    "normalize",
                    "`combine: shared_denominator` always normalizes; use `combine: sum`");
        }
        if (outputNorm && (normalize || !linear)) {
            throw new InvalidValueException(
                    "output_norm",
                    linear
                            ? "takes the place of the sum of weights; set `normalize: false`"
                            : "there is no linear branch to norm, since `linear_scope` is `none`");
        }
        if (gate.kind() != GateSpec.Kind.NONE && window.anchor() != WindowSpec.Anchor.START) {
            throw new InvalidValueException(
                    "window.anchor",
                    "blocks anchored at the end exist for LoLCATs' released code, which has no"
                            + " gate; use `anchor: start`");
        }
        if (gate.absorb()
                && !(featureMap.kind() == FeatureMapSpec.Kind.HEDGEHOG_EXP
                        || featureMap.kind() == FeatureMapSpec.Kind.HEDGEHOG
                        || featureMap.kind() == FeatureMapSpec.Kind.HEDGEHOG_JOINT
                        || featureMap.kind() == FeatureMapSpec.Kind.HEAD_SOFTMAX)) {
            throw new InvalidValueException(
                    "gate.absorb",
                    "only exponential features absorb a gate: `hedgehog_exp`, `hedgehog`,"
                            + " `hedgehog_joint`, `head_softmax`");
        }
    }

    /**
     * Refuses switches that these sizes contradict, before anything is allocated.
     *
     * @throws InvalidValueException if the skip of a feature map or a gate by key does not fit
     */
    public void check(AttentionShape shape) {
        int width = shape.headDim();
        // Far beyond any use, and far below what no longer can be counted or allocated.
        if (featureMap.projectionDim(width) > MAX_WIDTH
                || featureMap.kind() == FeatureMapSpec.Kind.TAYLOR
                        && featureMap.projectionDim(width) > MAX_TAYLOR_WIDTH) {
            throw new InvalidValueException(
                    "feature_map.feature_dim",
                    "at most "
                            + MAX_WIDTH
                            + " ("
                            + MAX_TAYLOR_WIDTH
                            + " for `taylor`, whose features are its pairs), found "
                            + featureMap.projectionDim(width));
        }
        if (featureMap.skip() && featureMap.projectionDim(width) != width) {
            throw new InvalidValueException(
                    "feature_map.skip",
                    ("adds x, "
                                    + width
                                    + " wide, to a projection "
                                    + featureMap.projectionDim(width))
                            + " wide; set `feature_dim: "
                            + width
                            + "`");
        }
        boolean byKey = gate.kind() == GateSpec.Kind.KEY_POOL && gate.isVector();
        if (byKey && featureMap.featureWidth(width) != width) {
            throw new InvalidValueException(
                    "gate.kind",
                    ("`key_pool` gives one gate for each of the key's " + width)
                            + (" numbers, phi is " + featureMap.featureWidth(width))
                            + " wide; use `feature_map: head_softmax` or `pool: mean`");
        }
    }

    /** Whether there is a linear branch. */
    public boolean isLinear() {
        return linearScope != LinearScope.NONE;
    }

    /** Whether a window and a linear branch stand side by side. */
    public boolean hasBothBranches() {
        return isLinear() && window.size() > 0;
    }

    /** Whether the linear branch waits until a token has left the window. */
    public boolean isOutsideWindow() {
        return linearScope == LinearScope.OUTSIDE_WINDOW && window.size() > 0;
    }

    /** Whether the linear branch forgets. */
    public boolean isGated() {
        return gate.kind() != GateSpec.Kind.NONE;
    }

    /** The same switches with another gate. */
    AttentionSpec withGate(GateSpec other) {
        return new AttentionSpec(
                featureMap,
                other,
                window,
                linearScope,
                linearRope,
                linearScale,
                combine,
                normalize,
                outputNorm,
                update,
                keepSoftmax);
    }

    /** The same switches with other layers kept softmax. */
    public AttentionSpec withKeepSoftmax(KeepSoftmax other) {
        return new AttentionSpec(
                featureMap,
                gate,
                window,
                linearScope,
                linearRope,
                linearScale,
                combine,
                normalize,
                outputNorm,
                update,
                other);
    }
}
