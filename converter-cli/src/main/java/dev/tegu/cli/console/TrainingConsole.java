package dev.tegu.cli.console;

import dev.tegu.distill.metrics.TrainingListener;
import java.util.Locale;

/** Shows the stages of a training, one after the other. */
public final class TrainingConsole implements TrainingListener, AutoCloseable {
    private final Console console;
    private Progress progress;

    /**
     * @param console where to
     */
    public TrainingConsole(Console console) {
        this.console = console;
    }

    @Override
    public void stageStarted(Stage stage) {
        close();
        console.say(
                String.format(
                        Locale.ROOT,
                        "%s: %,d steps of %,d tokens%s",
                        stage.stage(),
                        stage.totalSteps(),
                        stage.tokensPerStep(),
                        stage.doneSteps() > 0 ? ", " + stage.doneSteps() + " done before" : ""));
        progress = console.progress(stage.stage(), "step", stage.doneSteps(), stage.totalSteps());
    }

    @Override
    public void stepFinished(Step step) {
        if (progress != null) {
            progress.at(
                    step.step(), String.format(Locale.ROOT, "loss %.4g", step.losses().total()));
        }
    }

    @Override
    public void validated(Validation validation) {
        console.say(
                String.format(
                        Locale.ROOT,
                        "%s: validation loss %.4g after step %d",
                        validation.stage(),
                        validation.losses().total(),
                        validation.step()));
    }

    @Override
    public void stageFinished(String stage) {
        close();
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
