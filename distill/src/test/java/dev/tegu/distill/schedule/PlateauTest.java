package dev.tegu.distill.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** The rule of PyTorch's ReduceLROnPlateau. */
final class PlateauTest {
    private static final double EXACT = 1e-15;

    private static Plateau after(Plateau start, double... losses) {
        Plateau plateau = start;
        for (double loss : losses) {
            plateau = plateau.after(loss);
        }
        return plateau;
    }

    private static double[] flat(int count) {
        double[] losses = new double[count];
        Arrays.fill(losses, 2.0);
        return losses;
    }

    @Test
    @DisplayName("22: a plateau of patience 10 cuts at the 11th measurement without progress")
    void patienceIsSatThrough() {
        Plateau start = Plateau.start(0.1, 10, 1e-3);

        assertEquals(1, after(start, flat(1 + 10)).scale());
        assertEquals(0.1, after(start, flat(1 + 11)).scale(), EXACT);
    }

    @Test
    @DisplayName("22: a plateau starts its count anew after a cut")
    void theCountStartsAnewAfterACut() {
        Plateau start = Plateau.start(0.1, 10, 1e-3);

        assertEquals(0.1, after(start, flat(1 + 21)).scale(), EXACT);
        assertEquals(0.01, after(start, flat(1 + 22)).scale(), EXACT);
    }

    @Test
    @DisplayName("22: a plateau never cuts below min_lr: 1e-2 ends at 1e-5")
    void theRateEndsAtTheFloor() {
        Plateau end = after(Plateau.start(0.1, 10, 1e-3), flat(1 + 11 * 5));

        assertEquals(1e-5, 1e-2 * end.scale(), 1e-18);
    }

    @Test
    @DisplayName("22: a plateau counts progress of more than 1e-4 of the best only")
    void progressIsMoreThanTheThreshold() {
        Plateau start = Plateau.start(0.5, 1, 0);

        assertEquals(0.5, after(start, 2, 2 - 1e-4, 2 - 1.9e-4).scale());
        assertEquals(1, after(start, 2, 2 - 1e-4, 2 - 2.1e-4).scale());
    }

    @Test
    @DisplayName("22: a plateau measures progress from the best loss, not the last")
    void progressIsMeasuredFromTheBest() {
        assertEquals(0.5, after(Plateau.start(0.5, 1, 0), 1, 3, 2).scale());
    }

    @Test
    @DisplayName("22: progress resets a plateau's count")
    void progressResetsTheCount() {
        assertEquals(1, after(Plateau.start(0.5, 1, 0), 3, 3, 2, 2, 1, 1).scale());
    }

    @Test
    @DisplayName("22: a loss that is not a number is no progress")
    void notANumberIsNoProgress() {
        Plateau end = after(Plateau.start(0.5, 0, 0), 3, Double.NaN);

        assertEquals(0.5, end.scale());
        assertEquals(3, end.stall().best());
    }
}
