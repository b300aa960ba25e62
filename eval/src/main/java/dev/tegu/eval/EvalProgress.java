package dev.tegu.eval;

/** Hears how far an evaluation is, for example to draw a bar. Called on the evaluating thread. */
@FunctionalInterface
public interface EvalProgress {
    /** Hears nothing. */
    EvalProgress NONE = (task, done, total) -> {};

    /**
     * Called before a task's first batch and after every batch.
     *
     * @param task name of the task
     * @param done sequences scored so far, {@code 0..total}
     * @param total sequences that the task scores, at least 1
     */
    void update(String task, int done, int total);
}
