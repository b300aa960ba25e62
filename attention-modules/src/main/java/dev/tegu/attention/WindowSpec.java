package dev.tegu.attention;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;

/**
 * Softmax attention over the last tokens, the current one included.
 *
 * @param size number of tokens W; 0: no window
 * @param shape which tokens, for each query
 * @param anchor where the blocks of {@link Shape#TERRACE} begin
 * @param rope whether the window sees rotated queries and keys, as the teacher does
 * @param sinks number of learned logits a head that only join the denominator (Lizard's meta
 *     memory)
 * @param keepFirst number of first tokens of the text that stay in the window for ever, at their
 *     own positions (attention sinks that exist without training)
 */
public record WindowSpec(
        @Default("0") int size,
        @Default("sliding") Shape shape,
        @Default("start") Anchor anchor,
        @Default("true") boolean rope,
        @Default("0") int sinks,
        @Default("0") int keepFirst) {

    /** Which tokens a query sees. */
    public enum Shape {
        /** The last {@code size} tokens. */
        SLIDING,
        /**
         * Its own block of {@code size} tokens, as far as itself, and the block before: {@code size
         * + 1} to {@code 2 size} tokens.
         *
         * @see <a href="https://arxiv.org/abs/2410.10254">LoLCATs, equation 7 and algorithm 1</a>
         */
        TERRACE
    }

    /** Where terrace blocks begin. */
    public enum Anchor {
        /**
         * At the first token: what a token sees does not depend on what follows, so that pieces,
         * steps and one pass are the same function.
         */
        START,
        /**
         * So that the last block ends with the last token, as in LoLCATs' released code. What a
         * token sees changes with the length of the text; one pass must hold the whole text, and
         * steps after it see the last {@code size} tokens.
         */
        END,
        /**
         * As {@link #END}, and in texts of at most {@code size} tokens each token counts twice, in
         * the window and in the linear branch: a fault of the released code, kept for comparison.
         */
        REFERENCE
    }

    /** Refuses negative sizes and settings without a window. */
    public WindowSpec {
        notNegative("size", size);
        notNegative("sinks", sinks);
        notNegative("keep_first", keepFirst);
        if (size == 0 && shape == Shape.TERRACE) {
            throw new InvalidValueException(
                    "shape", "`terrace` needs blocks of at least 1 token; give the window a size");
        }
        if (shape != Shape.TERRACE && anchor != Anchor.START) {
            throw new InvalidValueException(
                    "anchor", "only `shape: terrace` has blocks to anchor; leave it out");
        }
        if (size == 0 && sinks > 0) {
            throw new InvalidValueException(
                    "sinks", "sinks join the window's denominator; give the window a size");
        }
        if (size == 0 && keepFirst > 0) {
            throw new InvalidValueException(
                    "keep_first", "kept tokens are part of the window; give the window a size");
        }
        if (keepFirst > 0 && anchor != Anchor.START) {
            throw new InvalidValueException(
                    "keep_first", "goes with `anchor: start` only; the released code has no such");
        }
    }

    private static void notNegative(String key, int value) {
        if (value < 0) {
            throw new InvalidValueException(key, "must be at least 0, found " + value);
        }
    }

    /** Number of tokens R that the state keeps: as far back as any query's window reaches. */
    public int reach() {
        return shape == Shape.TERRACE ? Math.multiplyExact(2, size) : size;
    }
}
