package dev.tegu.attention;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.Optional;

/**
 * How window and linear branch become one output.
 *
 * @param kind the formula
 * @param windowFactorStart the window's share at the start of training, for {@code
 *     shared_denominator}; stored before its sigmoid. Absent: 0.1, as in LoLCATs' recipes
 * @param affine whether the linear branch is weighed with 1 - g, g being the window's share ({@code
 *     shared_denominator}), instead of with 1
 * @param alphaStart the window's weight at the start of training, for {@code sum}. Absent: 1
 */
public record CombineSpec(
        @Default("shared_denominator") Kind kind,
        Optional<Double> windowFactorStart,
        @Default("false") boolean affine,
        Optional<Double> alphaStart) {

    /** The formulas. */
    public enum Kind {
        /**
         * One fraction: (g sum exp(s - c) v + sum phi phi v) / (g sum exp(s - c) + sum phi phi), c
         * being the largest score of the window.
         *
         * @see <a href="https://arxiv.org/abs/2410.10254">LoLCATs, equation 7</a>
         */
        SHARED_DENOMINATOR,
        /**
         * The linear branch plus alpha times the window, each with its own denominator.
         *
         * @see <a href="https://arxiv.org/abs/2507.09025">Lizard, section 3.1</a>
         */
        SUM,
        /**
         * Half the linear branch plus half the window, each with its own denominator.
         *
         * @see <a href="https://arxiv.org/abs/2503.01496">Liger, equation 9</a>
         */
        AVERAGE,
        /** Zero, the control without attention. */
        NONE
    }

    /** Refuses a factor outside (0, 1) and settings of another formula. */
    public CombineSpec {
        if (windowFactorStart.isPresent()
                && !(windowFactorStart.get() > 0 && windowFactorStart.get() < 1)) {
            throw new InvalidValueException(
                    "window_factor_start",
                    "must lie between 0 and 1, both excluded, found " + windowFactorStart.get());
        }
        if (alphaStart.isPresent() && !Double.isFinite(alphaStart.get())) {
            throw new InvalidValueException(
                    "alpha_start", "must be a number, found " + alphaStart.get());
        }
        if (kind != Kind.SHARED_DENOMINATOR && windowFactorStart.isPresent()) {
            throw new InvalidValueException(
                    "window_factor_start", "only `shared_denominator` has a window factor");
        }
        if (kind != Kind.SHARED_DENOMINATOR && affine) {
            throw new InvalidValueException(
                    "affine", "only `shared_denominator` has a window factor");
        }
        if (kind != Kind.SUM && alphaStart.isPresent()) {
            throw new InvalidValueException("alpha_start", "only `sum` has an alpha");
        }
    }
}
