package dev.tegu.eval.probe;

import java.util.Optional;
import java.util.function.IntFunction;
import java.util.function.ToIntFunction;

/** Finds the longest document that fits. */
public final class Fit {
    private Fit() {}

    /**
     * The document of the largest size whose length is not above the limit, taking lengths as
     * growing with the size; where they do not quite, one that fits and is near it.
     *
     * @param smallest the first size
     * @param largest the last size
     * @param make the document of a size
     * @param length of a document
     * @return empty if not even the smallest fits
     */
    public static <T> Optional<T> longest(
            int smallest, int largest, int limit, IntFunction<T> make, ToIntFunction<T> length) {
        T best = make.apply(smallest);
        int low = smallest;
        int lowLength = length.applyAsInt(best);
        if (lowLength > limit) {
            return Optional.empty();
        }
        int step = 1;
        int high = -1;
        int highLength = 0;
        while (high < 0 && low < largest) {
            int size = (int) Math.min(largest, (long) low + step);
            T made = make.apply(size);
            int madeLength = length.applyAsInt(made);
            if (madeLength > limit) {
                high = size;
                highLength = madeLength;
            } else {
                best = made;
                low = size;
                lowLength = madeLength;
                step = step > Integer.MAX_VALUE / 2 ? step : 2 * step;
            }
        }
        for (int round = 1; high - low > 1; round++) {
            // where a straight line between the two would meet the limit; half way now and then,
            // so that it ends soon for any curve
            boolean isHalf = round % 3 == 0;
            double part = (limit - lowLength + 0.5) / Math.max(1, highLength - lowLength);
            long guess = low + Math.round((isHalf ? 0.5 : part) * (high - low));
            int size = (int) Math.max(low + 1L, Math.min(high - 1L, guess));
            T made = make.apply(size);
            int madeLength = length.applyAsInt(made);
            if (madeLength > limit) {
                high = size;
                highLength = madeLength;
            } else {
                best = made;
                low = size;
                lowLength = madeLength;
            }
        }
        return Optional.of(best);
    }
}
