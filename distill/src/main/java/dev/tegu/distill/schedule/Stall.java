package dev.tegu.distill.schedule;

/**
 * Counts measurements of a loss that brought nothing.
 *
 * <p>A measurement is progress when it lies under the best one by more than {@link #THRESHOLD} of
 * it. A loss that is NaN is no progress.
 *
 * @param patience measurements without progress that are sat through
 * @param best best loss so far
 * @param stalled measurements since the last progress
 */
public record Stall(int patience, double best, int stalled) {
    /** Relative progress that counts as some, the default of PyTorch's schedulers. */
    public static final double THRESHOLD = 1e-4;

    /** Before the first measurement. */
    public static Stall start(int patience) {
        return new Stall(patience, Double.POSITIVE_INFINITY, 0);
    }

    /** The state after one more measurement. */
    public Stall after(double loss) {
        return loss < best * (1 - THRESHOLD)
                ? new Stall(patience, loss, 0)
                : new Stall(patience, best, stalled + 1);
    }

    /** Whether the patience has come to its end. */
    public boolean isOver() {
        return stalled > patience;
    }

    /** The best loss kept, the count begun anew. */
    Stall again() {
        return new Stall(patience, best, 0);
    }
}
