package dev.tegu.distill.schedule;

/**
 * Cuts the learning rate while a loss stands still; the rule of PyTorch's {@code ReduceLROnPlateau}
 * in its mode {@code min}.
 *
 * <p>After more than the patience of measurements in a row without progress the rate is multiplied
 * by {@code factor}, never under the floor, and the count starts anew.
 *
 * @param factor what a cut multiplies the rate by, above 0 and under 1
 * @param floor smallest {@code scale}, 0 to 1
 * @param stall measurements since the last progress or cut
 * @param scale what the rate is multiplied by now, 1 at first
 * @see <a
 *     href="https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html">
 *     ReduceLROnPlateau</a>
 */
public record Plateau(double factor, double floor, Stall stall, double scale) {

    /** Before the first measurement. */
    public static Plateau start(double factor, int patience, double floor) {
        return new Plateau(factor, floor, Stall.start(patience), 1);
    }

    /** The state after one more measurement. */
    public Plateau after(double loss) {
        Stall next = stall.after(loss);
        return next.isOver()
                ? new Plateau(factor, floor, next.again(), Math.max(scale * factor, floor))
                : new Plateau(factor, floor, next, scale);
    }
}
