package dev.tegu.cli.console;

import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/** A plain line at the start, every ten seconds, and at the end, for logs and pipes. */
final class LineProgress implements Progress {
    static final long INTERVAL_NANOS = 10_000_000_000L;

    private final Consumer<String> out;
    private final LongSupplier nanoTime;
    private final String task;
    private final String unit;
    private final long first;
    private final long total;
    private final long started;
    private long lastLine;
    private long done;
    private long shown = -1;
    private String note = "";

    LineProgress(
            Consumer<String> out,
            LongSupplier nanoTime,
            String task,
            String unit,
            long done,
            long total) {
        this.out = out;
        this.nanoTime = nanoTime;
        this.task = task;
        this.unit = unit;
        this.first = done;
        this.done = done;
        this.total = total;
        this.started = nanoTime.getAsLong();
        this.lastLine = started;
        print(started);
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
        if (!note.isEmpty()) {
            line.append(", ").append(note);
        }
        double seconds = (now - started) * 1e-9;
        if (done > first && seconds > 0) {
            double rate = (done - first) / seconds;
            line.append(String.format(Locale.ROOT, ", %.1f %ss/s, ", rate, unit));
            line.append(
                    done < total
                            ? Durations.of((total - done) / rate) + " left"
                            : Durations.of(seconds) + " in all");
        }
        out.accept(line.toString());
    }
}
