package dev.tegu.cli;

import dev.tegu.cli.console.Console;
import dev.tegu.distill.StoppedException;
import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * Ctrl-C and SIGTERM, as the process sees them: the Java machine begins to shut down. While
 * training runs, the shutdown waits until the step is done and its state saved; at any other time
 * the process ends at once, which does no harm, since nothing half-written counts.
 *
 * <p>The machine's exit code is 128 and the signal's number, whatever {@code main} returns then.
 */
public final class StopSignal {
    private static final int LIMIT_SECONDS = 60;
    private static final int POLL_MILLIS = 100;

    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile boolean isAsked;
    private volatile boolean isHeeded;

    /** Work that can be asked to end early. */
    @FunctionalInterface
    public interface Work {
        /**
         * @param stop becomes true when the work shall save its state and throw a {@link
         *     StoppedException}
         */
        void run(BooleanSupplier stop) throws IOException;
    }

    StopSignal() {}

    /** Hears of the end of this process from now on. */
    void watch(Console console) {
        Runtime.getRuntime()
                .addShutdownHook(new Thread(() -> onShutdown(console), "tegu stop signal"));
    }

    /** The command has come to its end, and has said all it had to say. */
    void ended() {
        ended.countDown();
    }

    /**
     * Does work that a signal waits for.
     *
     * @param name of the work, for the message
     * @throws StoppedException if a signal has come, even if the work was just done
     */
    public void heed(String name, Work work) throws IOException {
        isHeeded = true;
        // Stays so if the work throws: the signal then waits for the message too.
        work.run(() -> isAsked);
        if (isAsked) {
            throw new StoppedException(
                    "stopped after " + name + ", which is done; go on with --resume");
        }
        isHeeded = false;
    }

    private void onShutdown(Console console) {
        if (ended.getCount() == 0) {
            return;
        }
        isAsked = true;
        if (!isHeeded) {
            return;
        }
        console.say(
                "stopping: waiting at most "
                        + LIMIT_SECONDS
                        + " s until the step is done and saved; once more ends at once");
        long start = System.nanoTime();
        try {
            while (!ended.await(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                if (signals() > 1) {
                    Runtime.getRuntime().halt(ExitCode.INTERRUPTED);
                }
                if (System.nanoTime() - start > TimeUnit.SECONDS.toNanos(LIMIT_SECONDS)) {
                    console.say(
                            "not saved in "
                                    + LIMIT_SECONDS
                                    + " s; --resume goes on from the last checkpoint");
                    return;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Signals that wait for the shutdown: Java gives each a thread of this name, and has no public
     * way to ask for them.
     */
    private static long signals() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().matches("SIG(INT|TERM|HUP) handler"))
                .count();
    }
}
