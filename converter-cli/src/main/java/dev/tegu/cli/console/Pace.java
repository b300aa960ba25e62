package dev.tegu.cli.console;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.LongSupplier;

/**
 * How fast some work goes: the mean over what this process has done of it, so that work that goes
 * on after a resume does not count what lay behind it.
 */
final class Pace {
    private final LongSupplier nanoTime;
    private final Rate rate;
    private final long first;
    private final long total;
    private final long started;

    /**
     * What is counted in a second.
     *
     * @param unit in the plural, for example {@code tokens}
     * @param each how many of it one piece of the work holds
     */
    record Rate(String unit, long each) {}

    /**
     * @param nanoTime a clock that only goes forward, nanoseconds
     * @param first pieces of the work that lie behind it
     * @param total pieces of the whole work
     */
    Pace(LongSupplier nanoTime, Rate rate, long first, long total) {
        this.nanoTime = nanoTime;
        this.rate = rate;
        this.first = first;
        this.total = total;
        this.started = nanoTime.getAsLong();
    }

    /**
     * {@code loss 0.5, 1,234 tokens/s, 15 s left}; nothing but the note before anything is done.
     *
     * @param note a short word on the state; may be empty
     * @param done pieces of the whole work that are done
     */
    String words(String note, long done) {
        List<String> words = new ArrayList<>();
        if (!note.isEmpty()) {
            words.add(note);
        }
        double seconds = seconds();
        if (done > first && seconds > 0) {
            words.add(rate(done, seconds));
            words.add(
                    done < total
                            ? Durations.of(seconds / (done - first) * (total - done)) + " left"
                            : Durations.of(seconds) + " in all");
        }
        return String.join(", ", words);
    }

    /** {@code 3 min 20 s, 1,234 tokens/s}: what the work took, wherever it ended. */
    String summary(long done) {
        double seconds = Math.max(seconds(), 1e-9);
        return Durations.of(seconds) + ", " + rate(done, seconds);
    }

    private double seconds() {
        return (nanoTime.getAsLong() - started) * 1e-9;
    }

    private String rate(long done, double seconds) {
        double perSecond = (done - first) * rate.each() / seconds;
        String format = perSecond < 100 ? "%,.1f %s/s" : "%,.0f %s/s";
        return String.format(Locale.ROOT, format, perSecond, rate.unit());
    }
}
