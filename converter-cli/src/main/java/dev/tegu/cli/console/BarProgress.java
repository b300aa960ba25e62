package dev.tegu.cli.console;

import java.io.PrintWriter;
import java.time.Duration;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarStyle;

/** A bar with rate and remaining time, redrawn in place on a terminal. */
final class BarProgress implements Progress {
    /** Fits the usual terminal of 80 columns without a wrap. */
    private static final int WIDTH = 79;

    private static final int REDRAW_MILLIS = 500;

    private final PrintWriter err;
    private final ProgressBar bar;

    BarProgress(PrintWriter err, String task, String unit, long done, long total) {
        this.err = err;
        bar =
                new ProgressBarBuilder()
                        .setTaskName(task)
                        .setInitialMax(total)
                        .startsFrom(done, Duration.ZERO)
                        .setUnit(" " + unit + "s", 1)
                        .showSpeed()
                        .setStyle(ProgressBarStyle.ASCII)
                        .setUpdateIntervalMillis(REDRAW_MILLIS)
                        .setConsumer(new OneLine(err))
                        .build();
    }

    @Override
    public void at(long done, String note) {
        bar.setExtraMessage(note.isEmpty() ? "" : " " + note);
        bar.stepTo(done);
    }

    @Override
    public void close() {
        bar.close();
        err.println();
        err.flush();
    }

    /** Draws over the same line again and again. */
    private record OneLine(PrintWriter err) implements ProgressBarConsumer {
        @Override
        public int getMaxRenderedLength() {
            return WIDTH;
        }

        @Override
        public void accept(String drawn) {
            err.print('\r' + drawn);
            err.flush();
        }

        /** Whoever made the bar ends its line. */
        @Override
        public void close() {}
    }
}
