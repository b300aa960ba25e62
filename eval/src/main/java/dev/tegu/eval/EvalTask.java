package dev.tegu.eval;

import dev.tegu.tokenizer.TextTokenizer;

/** One measurement of a model. Stateless; the closed list is {@link EvalTasks}. */
public interface EvalTask {
    /** Name in settings and results, for example {@code perplexity}. */
    String name();

    /** One line for a list of tasks. */
    String description();

    /** Whether {@link EvalInput#data()} must hold a text. */
    boolean needsText();

    /**
     * Refuses settings that do not fit data and model, without a model: before hours of training.
     *
     * @param maxPositions tokens that the model takes
     * @throws IllegalArgumentException as {@link #run} does
     */
    default void check(
            TextTokenizer tokenizer, EvalData data, EvalSettings settings, int maxPositions) {}

    /**
     * Measures the model.
     *
     * @throws IllegalArgumentException if the data does not fit the task, or a document the model;
     *     an {@link dev.tegu.config.InvalidValueException} when a setting can mend it, with the
     *     setting's key relative to {@link EvalSettings}
     * @throws IllegalStateException if the model answers with numbers that are none
     */
    TaskResult run(EvalInput input, EvalSettings settings, EvalProgress progress);
}
