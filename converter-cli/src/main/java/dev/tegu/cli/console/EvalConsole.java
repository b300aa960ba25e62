package dev.tegu.cli.console;

import dev.tegu.eval.EvalProgress;

/** Shows the tasks of an evaluation, one after the other. */
public final class EvalConsole implements EvalProgress, AutoCloseable {
    private final Console console;
    private final String model;
    private Progress progress;

    /**
     * @param model name of the model, before each task's
     */
    public EvalConsole(Console console, String model) {
        this.console = console;
        this.model = model;
    }

    @Override
    public void update(String task, int done, int total) {
        if (done == 0 || progress == null) {
            close();
            progress = console.progress(model + " " + task, "sequence", done, total);
        }
        progress.at(done, "");
        if (done >= total) {
            close();
        }
    }

    /** Ends a bar that a failure has left open. */
    @Override
    public void close() {
        if (progress != null) {
            progress.close();
            progress = null;
        }
    }
}
