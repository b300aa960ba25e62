package dev.tegu.distill.schedule;

/**
 * Cuts the learning rate while a loss stands still; the rule of PyTorch's {@code ReduceLROnPlateau}
 * in its mode {@code min}.
 *
 * <p>A measurement is progress when it lies under the best one by more than {@link #THRESHOLD} of
 * it. After more than {@code patience} measurements in a row without progress the rate is
 * multiplied by {@code factor}, never under the floor, and the count starts anew. A loss that is
 * NaN is no progress.
 *
 * @param factor what a cut multiplies the rate by, above 0 and under 1
 * @param patience measurements without progress that are sat through
 * @param floor smallest {@code scale}, 0 to 1
 * @param best best loss so far
 * @param stalled measurements since the last progress or cut
 * @param scale what the rate is multiplied by now, 1 at first
 * @see <a
 *     href="https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html">
 *     ReduceLROnPlateau</a>
 */
public record Plateau(
        double factor, int patience, double floor, double best, int stalled, double scale) {
    /** Relative progress that counts as some, PyTorch's default. */
    public static final double THRESHOLD = 1e-4;

    /** Before the first measurement. */
    public static Plateau start(double factor, int patience, double floor) {
        return new Plateau(factor, patience, floor, Double.POSITIVE_INFINITY, 0, 1);
    }

    /** The state after one more measurement. */
    public Plateau after(double loss) {
        if (loss < best * (1 - THRESHOLD)) {
            return new Plateau(factor, patience, floor, loss, 0, scale);
        }
        if (stalled < patience) {
            return new Plateau(factor, patience, floor, best, stalled + 1, scale);
        }
        return new Plateau(factor, patience, floor, best, 0, Math.max(scale * factor, floor));
    }
}
