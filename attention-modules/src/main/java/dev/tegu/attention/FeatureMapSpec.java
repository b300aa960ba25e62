package dev.tegu.attention;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.Optional;

/**
 * The feature map phi: queries and keys become vectors whose dot product stands for the attention
 * weight.
 *
 * <p>Below, z = xW + b for a learned projection W [D, p] a head (z = x + xW + b with {@code skip}).
 *
 * @param kind the formula
 * @param featureDim width p of the learned projection. Absent: {@link Kind#HEDGEHOG} and {@link
 *     Kind#HEDGEHOG_EXP} take the head's width, at most 64 (LoLCATs uses 64 at a head width of 128,
 *     Lizard states 128 for the width of phi), {@link Kind#TAYLOR} takes 16 (Based), the others the
 *     head's width
 * @param init start values of W
 * @param bias whether a bias [H, p] is added
 * @param sharing whether each query head has its own map or all heads of the layer one
 * @param tied whether keys use the queries' map: one parameter, {@code feature_map_q}
 * @param skip whether x itself is added; needs p = D. {@code init: identity} then starts W at zero,
 *     so that z = x either way
 */
public record FeatureMapSpec(
        @Default("hedgehog") Kind kind,
        Optional<Integer> featureDim,
        @Default("identity") Init init,
        @Default("false") boolean bias,
        @Default("head") Sharing sharing,
        @Default("false") boolean tied,
        @Default("false") boolean skip) {

    /** The formulas. */
    public enum Kind {
        /** phi(x) = x, no parameters. */
        IDENTITY,
        /**
         * phi(x) = max(1e-12, [softmax(z), softmax(-z)]), one softmax a half; 2p wide.
         *
         * @see <a href="https://arxiv.org/abs/2410.10254">LoLCATs, appendix D, after Hedgehog</a>
         */
        HEDGEHOG,
        /**
         * phi(x) = softmax([2z, -2z]), one softmax over both halves, as flash-linear-attention
         * computes Hedgehog; 2p wide.
         */
        HEDGEHOG_JOINT,
        /**
         * phi(x) = [exp(z), exp(-z)]; 2p wide. Overflows float32 where |z| passes 88.
         *
         * @see <a href="https://arxiv.org/abs/2402.04347">Hedgehog, as its paper prints it</a>
         */
        HEDGEHOG_EXP,
        /**
         * phi(x) = max(1e-12, ReLU(z)); p wide.
         *
         * @see <a href="https://arxiv.org/abs/2103.13076">T2R</a>
         */
        T2R,
        /**
         * phi(x) = max(1e-12, 1 + ELU(x)), no parameters.
         *
         * @see <a href="https://arxiv.org/abs/2006.16236">Transformers are RNNs, equation 7</a>
         */
        ELU,
        /**
         * The second-order Taylor expansion of exp(z.z' / sqrt(p)): phi(x) = [1, z / p^(1/4), z_i
         * z_j sqrt(2 - [i = j]) / sqrt(2 p) for i <= j]; 1 + p + p(p + 1)/2 wide.
         *
         * @see <a href="https://arxiv.org/abs/2402.18668">Based</a>
         */
        TAYLOR,
        /**
         * phi(x) = softmax(x) over the head's width, no parameters.
         *
         * @see <a href="https://arxiv.org/abs/2503.01496">Liger, section 3.2</a>
         */
        HEAD_SOFTMAX;

        /** Whether a projection is learned. */
        public boolean isLearned() {
            return switch (this) {
                case HEDGEHOG, HEDGEHOG_JOINT, HEDGEHOG_EXP, T2R, TAYLOR -> true;
                case IDENTITY, ELU, HEAD_SOFTMAX -> false;
            };
        }
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

    /** Who shares a map. */
    public enum Sharing {
        /** One map a query head. */
        HEAD,
        /** One map for all heads of the layer. */
        LAYER
    }

    /** Refuses a width of zero and settings without a projection. */
    public FeatureMapSpec {
        if (featureDim.isPresent() && featureDim.get() < 1) {
            throw new InvalidValueException(
                    "feature_dim", "must be at least 1, found " + featureDim.get());
        }
        if (!kind.isLearned()) {
            refuseWithout(featureDim.isPresent(), "feature_dim", kind);
            refuseWithout(bias, "bias", kind);
            refuseWithout(tied, "tied", kind);
            refuseWithout(skip, "skip", kind);
        }
    }

    private static void refuseWithout(boolean given, String key, Kind kind) {
        if (given) {
            throw new InvalidValueException(
                    key,
                    "`"
                            + kind.name().toLowerCase(java.util.Locale.ROOT)
                            + "` has no learned projection; leave out `"
                            + key
                            + "`");
        }
    }

    /** Width p of the learned projection for heads of the given width. */
    public int projectionDim(int headDim) {
        return featureDim.orElse(
                switch (kind) {
                    case HEDGEHOG, HEDGEHOG_EXP -> Math.min(headDim, 64);
                    case TAYLOR -> Math.min(headDim, 16);
                    default -> headDim;
                });
    }

    /** Width F of phi for heads of the given width. */
    public int featureWidth(int headDim) {
        int p = projectionDim(headDim);
        return switch (kind) {
            case IDENTITY, ELU, HEAD_SOFTMAX -> headDim;
            case HEDGEHOG, HEDGEHOG_JOINT, HEDGEHOG_EXP -> 2 * p;
            case T2R -> p;
            case TAYLOR -> 1 + p + p * (p + 1) / 2;
        };
    }
}
