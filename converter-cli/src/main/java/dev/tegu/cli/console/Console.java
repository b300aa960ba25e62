package dev.tegu.cli.console;

import java.io.PrintWriter;
import java.util.function.LongSupplier;

/** Where a command talks to a person: stderr. */
public final class Console {
    /** Set by the launcher, the only one who can ask what stderr is. */
    private static final String TERMINAL_PROPERTY = "tegu.terminal";

    /** Back to the left edge, then erase to the right (ECMA-48, EL). */
    static final String ERASE_LINE = "\r\u001B[K";

    private final PrintWriter err;
    private final boolean terminal;
    private final LongSupplier nanoTime;

    /**
     * @param terminal whether {@code err} is a terminal, which bars may be drawn on
     * @param nanoTime a clock that only goes forward, nanoseconds
     */
    Console(PrintWriter err, boolean terminal, LongSupplier nanoTime) {
        this.err = err;
        this.terminal = terminal;
        this.nanoTime = nanoTime;
    }

    /** The console of this process. */
    public static Console of(PrintWriter err) {
        return new Console(err, Boolean.getBoolean(TERMINAL_PROPERTY), System::nanoTime);
    }

    /** Says one line; on a terminal it takes the place of a bar, which is drawn again below. */
    public void say(String line) {
        err.println(terminal ? ERASE_LINE + line : line);
        err.flush();
    }

    /**
     * Begins to show the progress of one long piece of work.
     *
     * @param task name of the work
     * @param unit what is counted, in the singular, for example {@code step}
     * @param done how many are done already
     * @param total how many there are
     */
    public Progress progress(String task, String unit, long done, long total) {
        return progress(task, unit, done, total, new Pace.Rate(unit + "s", 1));
    }

    /** As the other method, for work whose rate is counted in something smaller. */
    Progress progress(String task, String unit, long done, long total, Pace.Rate rate) {
        Pace pace = pace(rate, done, total);
        return terminal
                ? new BarProgress(err, nanoTime, pace, task, done, total)
                : new LineProgress(this::say, nanoTime, pace, task, unit, done, total);
    }

    /** The pace of a piece of work that begins now. */
    Pace pace(Pace.Rate rate, long done, long total) {
        return new Pace(nanoTime, rate, done, total);
    }
}
