package dev.tegu.distill.metrics;

import dev.tegu.distill.Losses;
import java.util.List;

/**
 * Hears of the progress of training. Loops call it; they print nothing themselves.
 *
 * <p>Calls come from the training thread, in the order of events. An exception ends the training.
 */
public interface TrainingListener {
    /**
     * A stage that begins, or goes on after a resume.
     *
     * @param stage its key in the configuration, for example {@code attention_transfer}
     * @param doneSteps steps that a resumed run has behind it, else 0
     * @param totalSteps steps of the whole stage
     * @param tokensPerStep tokens that one step reads
     */
    record Stage(String stage, long doneSteps, long totalSteps, long tokensPerStep) {}

    /**
     * A step that has been taken.
     *
     * @param stage its key in the configuration
     * @param step 1-based
     * @param losses mean over the step's batches, before the update
     * @param learningRate rate of this update
     * @param tokens tokens read by the stage so far, this step included
     * @param gradientNorm largest norm of a parameter group's gradient, before clipping
     */
    record Step(
            String stage,
            long step,
            Losses losses,
            double learningRate,
            long tokens,
            double gradientNorm) {}

    /**
     * A measurement on the validation data.
     *
     * @param stage the stage in which it was taken
     * @param step steps taken before it
     * @param losses mean over the validation data
     */
    record Validation(String stage, long step, Losses losses) {}

    /** Before the first step of a stage. */
    default void stageStarted(Stage stage) {}

    /** After a step whose loss was read; loops that log every n steps call it every n steps. */
    default void stepFinished(Step step) {}

    /** After a measurement on the validation data. */
    default void validated(Validation validation) {}

    /**
     * Before a checkpoint is written. What a listener keeps of the steps up to here must be safe on
     * return: a resumed run does not tell it again.
     */
    default void saving(String stage) {}

    /** After the last step of a stage; not called when the stage fails. */
    default void stageFinished(String stage) {}

    /** One listener that passes every event to all of these, in this order. */
    static TrainingListener all(List<? extends TrainingListener> listeners) {
        List<TrainingListener> copy = List.copyOf(listeners);
        return new TrainingListener() {
            @Override
            public void stageStarted(Stage stage) {
                copy.forEach(listener -> listener.stageStarted(stage));
            }

            @Override
            public void stepFinished(Step step) {
                copy.forEach(listener -> listener.stepFinished(step));
            }

            @Override
            public void validated(Validation validation) {
                copy.forEach(listener -> listener.validated(validation));
            }

            @Override
            public void saving(String stage) {
                copy.forEach(listener -> listener.saving(stage));
            }

            @Override
            public void stageFinished(String stage) {
                copy.forEach(listener -> listener.stageFinished(stage));
            }
        };
    }
}
