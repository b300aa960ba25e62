package dev.tegu.attention;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;

/**
 * Softmax attention over the last tokens, the current one included.
 *
 * @param size number of tokens; 0: no window
 * @param shape which tokens, for each query
 * @param rope whether the window sees rotated queries and keys, as the teacher does
 * @param sinks number of learned logits a head that only join the denominator (Lizard's meta
 *     memory)
 */
public record WindowSpec(
        @Default("0") int size,
        @Default("sliding") Shape shape,
        @Default("true") boolean rope,
        @Default("0") int sinks) {

    /** Which tokens a query sees. */
    public enum Shape {
        /** The last {@code size} tokens. */
        SLIDING
    }

    /** Refuses negative sizes and sinks without a window. */
    public WindowSpec {
        if (size < 0) {
            throw new InvalidValueException("size", "must be at least 0, found " + size);
        }
        if (sinks < 0) {
            throw new InvalidValueException("sinks", "must be at least 0, found " + sinks);
        }
        if (sinks > 0 && size == 0) {
            throw new InvalidValueException(
                    "sinks", "sinks join the window's denominator; give the window a size");
        }
    }
}
