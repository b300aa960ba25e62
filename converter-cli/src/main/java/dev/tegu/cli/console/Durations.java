package dev.tegu.cli.console;

import java.util.Locale;

/** Lengths of time as people say them. */
public final class Durations {
    private Durations() {}

    /** {@code 0.4 s}, {@code 52 s}, {@code 3 min 20 s}, {@code 2 h 5 min}. */
    public static String of(double seconds) {
        if (seconds < 9.95) {
            return String.format(Locale.ROOT, "%.1f s", seconds);
        }
        long whole = Math.round(seconds);
        if (whole < 60) {
            return whole + " s";
        }
        if (whole < 3600) {
            return whole / 60 + " min " + whole % 60 + " s";
        }
        return whole / 3600 + " h " + whole % 3600 / 60 + " min";
    }
}
