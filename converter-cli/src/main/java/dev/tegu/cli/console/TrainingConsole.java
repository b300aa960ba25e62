package dev.tegu.cli.console;

import dev.tegu.distill.Losses;
import dev.tegu.distill.metrics.TrainingListener;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** Shows the stages of a training, one after the other. */
public final class TrainingConsole implements TrainingListener, AutoCloseable {
    /** Layers that are named at the end of a stage: those to look at first. */
    private static final int NAMED_LAYERS = 3;

    private final Console console;
    private Progress progress;
    private Pace pace;
    private Optional<Step> first = Optional.empty();
    private Optional<Step> last = Optional.empty();
    private Optional<Losses> measured = Optional.empty();

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
        Pace.Rate rate = new Pace.Rate("tokens", stage.tokensPerStep());
        first = Optional.empty();
        last = Optional.empty();
        measured = Optional.empty();
        pace = console.pace(rate, stage.doneSteps(), stage.totalSteps());
        progress =
                console.progress(
                        stage.stage(), "step", stage.doneSteps(), stage.totalSteps(), rate);
    }

    @Override
    public void stepFinished(Step step) {
        first = first.or(() -> Optional.of(step));
        last = Optional.of(step);
        if (progress != null) {
            progress.at(
                    step.step(), String.format(Locale.ROOT, "loss %.4g", step.losses().total()));
        }
    }

    @Override
    public void validated(Validation validation) {
        measured = Optional.of(validation.losses());
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
        if (last.isPresent()) {
            console.say(
                    String.format(
                            Locale.ROOT,
                            "%s: loss %.4g (step %d) to %.4g (step %d), %s",
                            stage,
                            first.get().losses().total(),
                            first.get().step(),
                            last.get().losses().total(),
                            last.get().step(),
                            pace.summary(last.get().step())));
            sayWorstLayers(stage, measured.orElse(last.get().losses()));
        }
    }

    private void sayWorstLayers(String stage, Losses losses) {
        List<Losses.Part> layers =
                losses.parts().stream().filter(part -> Double.isFinite(part.relative())).toList();
        if (layers.isEmpty()) {
            return;
        }
        String worst =
                layers.stream()
                        .sorted(Comparator.comparingDouble(Losses.Part::relative).reversed())
                        .limit(NAMED_LAYERS)
                        .map(p -> String.format(Locale.ROOT, "%s %.3g", p.name(), p.relative()))
                        .collect(Collectors.joining(", "));
        console.say(
                String.format(
                        Locale.ROOT,
                        "%s: largest relative errors of %d layers, %s data: %s",
                        stage,
                        layers.size(),
                        measured.isPresent() ? "validation" : "training",
                        worst));
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
