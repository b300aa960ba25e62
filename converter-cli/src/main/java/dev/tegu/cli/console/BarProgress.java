package dev.tegu.cli.console;

import java.io.PrintWriter;
import java.util.function.LongSupplier;

/** A bar with rate and remaining time, redrawn in place on a terminal. */
final class BarProgress implements Progress {
    /** Fits the usual terminal of 80 columns without a wrap. */
    private static final int WIDTH = 79;

    /** A bar is drawn where there is room for at least this many of its marks. */
    private static final int SMALLEST_BAR = 5;

    private static final int LARGEST_BAR = 30;
    private static final long REDRAW_NANOS = 500_000_000L;

    private final PrintWriter err;
    private final LongSupplier nanoTime;
    private final Pace pace;
    private final String task;
    private final long total;
    private long done;
    private long drawn;
    private String note = "";

    BarProgress(
            PrintWriter err, LongSupplier nanoTime, Pace pace, String task, long done, long total) {
        this.err = err;
        this.nanoTime = nanoTime;
        this.pace = pace;
        this.task = task;
        this.done = done;
        this.total = total;
        draw();
    }

    @Override
    public void at(long newDone, String newNote) {
        done = newDone;
        note = newNote;
        if (done >= total || nanoTime.getAsLong() - drawn >= REDRAW_NANOS) {
            draw();
        }
    }

    /** Leaves the last state behind, also when the work was broken off. */
    @Override
    public void close() {
        draw();
        err.println();
        err.flush();
    }

    private void draw() {
        drawn = nanoTime.getAsLong();
        String end = (done + "/" + total + " " + pace.words(note, done)).strip();
        String line = task + bar(WIDTH - task.length() - end.length() - 4) + " " + end;
        err.print(Console.ERASE_LINE + (line.length() > WIDTH ? line.substring(0, WIDTH) : line));
        err.flush();
    }

    /** The bar with its brackets, or nothing where there is no room. */
    private String bar(int room) {
        if (room < SMALLEST_BAR) {
            return "";
        }
        int marks = Math.min(room, LARGEST_BAR);
        int full = (int) (total == 0 ? marks : marks * Math.min(done, total) / total);
        return " [" + "=".repeat(full) + " ".repeat(marks - full) + "]";
    }
}
