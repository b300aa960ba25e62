package dev.tegu.cli.watch;

import java.awt.Color;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Colours for positive numbers by their logarithm, pale for the smallest and dark for the largest.
 *
 * @param smallest above 0
 * @param largest at least the smallest
 */
record ColourScale(double smallest, double largest) {
    private static final int[] RAMP = {0xfdf3d0, 0xf6c46b, 0xe07b3f, 0xa03550, 0x3b0f45};

    /** Marks between two powers of ten. */
    private static final int[] STEPS = {1, 2, 5};

    /** The colour of a value as {@code #rrggbb}; values outside have that of the nearest end. */
    String colour(double value) {
        return String.format(Locale.ROOT, "#%06x", at(place(value)).getRGB() & 0xffffff);
    }

    /** Where a value stands between the ends, 0 to 1. */
    double place(double value) {
        if (largest <= smallest) {
            return 0.5;
        }
        double place = Math.log(value / smallest) / Math.log(largest / smallest);
        return Math.max(0, Math.min(1, place));
    }

    /**
     * @param place 0 to 1
     */
    static Color at(double place) {
        double scaled = place * (RAMP.length - 1);
        int below = Math.min((int) scaled, RAMP.length - 2);
        double part = scaled - below;
        int[] mixed = new int[3];
        for (int i = 0; i < mixed.length; i++) {
            int shift = 16 - 8 * i;
            int a = RAMP[below] >> shift & 0xff;
            int b = RAMP[below + 1] >> shift & 0xff;
            mixed[i] = (int) Math.round(a + part * (b - a));
        }
        return new Color(mixed[0], mixed[1], mixed[2]);
    }

    /** Round numbers inside of the scale, 1, 2 and 5 times powers of ten, and at most six. */
    List<Double> marks() {
        List<Double> marks = new ArrayList<>();
        for (int steps = STEPS.length; steps >= 1; steps -= 2) {
            marks.clear();
            int from = (int) Math.floor(Math.log10(smallest));
            int to = (int) Math.ceil(Math.log10(largest));
            for (int power = from; power <= to; power++) {
                for (int i = 0; i < steps; i++) {
                    double mark = STEPS[i] * Math.pow(10, power);
                    if (mark >= smallest * 0.999 && mark <= largest * 1.001) {
                        marks.add(mark);
                    }
                }
            }
            if (marks.size() <= 6) {
                break;
            }
        }
        if (marks.size() < 2) {
            return smallest < largest ? List.of(smallest, largest) : List.of(smallest);
        }
        return marks;
    }
}
