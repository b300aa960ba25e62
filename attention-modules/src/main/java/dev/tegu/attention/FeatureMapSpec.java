package dev.tegu.attention;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.Optional;

/**
 * The feature map phi: queries and keys become vectors whose dot product stands for the attention
 * weight.
 *
 * @param kind the formula
 * @param featureDim width p of the learned projection xW; phi is 2p wide. Absent: the head's width,
 *     at most 64 (LoLCATs uses 64 at a head width of 128, Lizard states 128 for the width of phi)
 * @param init start values of W
 * @param bias whether a bias [H, p] is added to xW
 */
public record FeatureMapSpec(
        @Default("hedgehog") Kind kind,
        Optional<Integer> featureDim,
        @Default("identity") Init init,
        @Default("false") boolean bias) {

    /** The formulas. */
    public enum Kind {
        /** phi(x) = x, no parameters. */
        IDENTITY,
        /**
         * phi(x) = max(1e-12, [softmax(xW), softmax(-xW)]), one softmax a half.
         *
         * @see <a href="https://arxiv.org/abs/2410.10254">LoLCATs, appendix D, after Hedgehog</a>
         */
        HEDGEHOG
    }

    /** Start values of a learned projection. */
    public enum Init {
        /** The first p coordinates pass through. */
        IDENTITY,
        /** Uniform in +-sqrt(6 / (D p)), PyTorch's rule for a tensor [H, D, p]. */
        KAIMING,
        /** Standard normal. */
        NORMAL
    }

    /** Refuses a width of zero and settings without a projection. */
    public FeatureMapSpec {
        if (featureDim.isPresent() && featureDim.get() < 1) {
            throw new InvalidValueException(
                    "feature_dim", "must be at least 1, found " + featureDim.get());
        }
        if (kind == Kind.IDENTITY && (featureDim.isPresent() || bias)) {
            throw new InvalidValueException(
                    "feature_dim", "the identity map has no projection; leave out its settings");
        }
    }

    /** Width of the learned projection for heads of the given width. */
    public int projectionDim(int headDim) {
        return featureDim.orElse(Math.min(headDim, 64));
    }

    /** Width F of phi for heads of the given width. */
    public int featureWidth(int headDim) {
        return kind == Kind.IDENTITY ? headDim : 2 * projectionDim(headDim);
    }
}
