package dev.tegu.cli.console;

import java.util.function.Consumer;
import java.util.function.LongSupplier;

/** A plain line at the start, every ten seconds, and at the end, for logs and pipes. */
final class LineProgress implements Progress {
    static final long INTERVAL_NANOS = 10_000_000_000L;

    private final Consumer<String> out;
    private final LongSupplier nanoTime;
    private final Pace pace;
    private final String task;
    private final String unit;
    private final long total;
    private long lastLine;
    private long done;
    private long shown = -1;
    private String note = "";

    LineProgress(
            Consumer<String> out,
            LongSupplier nanoTime,
            Pace pace,
            String task,
            String unit,
            long done,
            long total) {
        this.out = out;
        this.nanoTime = nanoTime;
        this.pace = pace;
        this.task = task;
        this.unit = unit;
        this.done = done;
        this.total = total;
        print(nanoTime.getAsLong());
    }

    @Override
    public void at(long newDone, String newNote) {
        done = newDone;
        note = newNote;
        long now = nanoTime.getAsLong();
        if (done >= total || now - lastLine >= INTERVAL_NANOS) {
            print(now);
        }
    }

    /** Leaves the last state behind, also when the work was broken off. */
    @Override
    public void close() {
        print(nanoTime.getAsLong());
    }

    private void print(long now) {
        if (done == shown) {
            return;
        }
        shown = done;
        lastLine = now;
        StringBuilder line = new StringBuilder(task).append(": ").append(unit).append(' ');
        line.append(done).append(" of ").append(total);
        String words = pace.words(note, done);
        if (!words.isEmpty()) {
            line.append(", ").append(words);
        }
        out.accept(line.toString());
    }
}
