package dev.tegu.cli.watch;

import dev.tegu.cli.console.Console;
import dev.tegu.cli.console.TrainingConsole;
import dev.tegu.distill.metrics.MetricsLog;
import dev.tegu.distill.metrics.TrainingListener;
import java.awt.AWTError;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * All that watches one stage of a run: {@code metrics.jsonl}, the console, {@code tensorboard/},
 * and {@code report.html}, which is written when the stage ends, whichever way it does.
 *
 * <p>Closed before the next stage is watched.
 */
public final class Watch implements AutoCloseable {
    private final Path root;
    private final Console console;
    private final MetricsLog metrics;
    private final TensorBoardLog tensorBoard;
    private final TrainingConsole progress;

    private Watch(Path root, Console console, MetricsLog metrics) {
        this.root = root;
        this.console = console;
        this.metrics = metrics;
        this.tensorBoard = new TensorBoardLog(root.resolve("tensorboard"), System::nanoTime);
        this.progress = new TrainingConsole(console);
    }

    /**
     * @param root directory of the run, in which the effective settings stand
     * @param stage the stage that begins or goes on
     * @param lastStep the last step of it that counts, 0 for none
     */
    public static Watch open(Path root, String stage, long lastStep, Console console)
            throws IOException {
        MetricsLog metrics = MetricsLog.resume(root.resolve("metrics.jsonl"), stage, lastStep);
        return new Watch(root, console, metrics);
    }

    /** What the training tells. */
    public TrainingListener listener() {
        return TrainingListener.all(List.of(metrics, tensorBoard, progress));
    }

    /** Ends what is open, and writes the report. */
    @Override
    public void close() throws IOException {
        progress.close();
        try (metrics;
                tensorBoard) {
            writeReport();
        }
    }

    /** A picture that fails must not take the training with it, which goes on from its files. */
    private void writeReport() {
        Path file = root.resolve(RunReport.FILE_NAME);
        try {
            RunReport.write(root, file);
        } catch (IOException | RuntimeException | LinkageError | AWTError e) {
            console.say(
                    file
                            + ": not written ("
                            + e
                            + "); the training is not touched by it, make the page later with"
                            + " `scripts/tegu report "
                            + root
                            + "`");
        }
    }
}
