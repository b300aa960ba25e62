package dev.tegu.attention;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;

/**
 * How window and linear branch become one output.
 *
 * @param kind the formula
 * @param windowFactorStart the window's share at the start of training, for {@code
 *     shared_denominator}; stored before its sigmoid
 * @param alphaStart the window's weight at the start of training, for {@code sum}
 */
public record CombineSpec(
        @Default("shared_denominator") Kind kind,
        @Default("0.1") double windowFactorStart,
        @Default("1.0") double alphaStart) {

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
        /** Zero, the control without attention. */
        NONE
    }

    /** Refuses a factor outside (0, 1). */
    public CombineSpec {
        if (!(windowFactorStart > 0 && windowFactorStart < 1)) {
            throw new InvalidValueException(
                    "window_factor_start",
                    "must lie between 0 and 1, both excluded, found " + windowFactorStart);
        }
    }
}
