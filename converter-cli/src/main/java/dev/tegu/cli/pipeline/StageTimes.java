package dev.tegu.cli.pipeline;

import dev.tegu.checkpoint.Durable;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.bench.Statistics;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.distill.Objective;
import dev.tegu.distill.StageCheckpoints;
import dev.tegu.distill.TrainingLoop;
import dev.tegu.distill.TrainingSettings;
import dev.tegu.distill.data.TrainingData;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.OperatorProfile;
import dev.tegu.model.DecoderModel;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * How fast the stages of an experiment train on this machine: some real steps of each, on its data,
 * of which the first warm up and the last is profiled. What is trained is thrown away.
 */
public final class StageTimes {
    /** Steps before those that count. */
    public static final int WARM_UP = 2;

    private StageTimes() {}

    /**
     * One stage.
     *
     * @param stage its key in the configuration
     * @param tokensPerStep tokens that one step reads
     * @param stepSeconds of the counted steps, in the order they were taken
     * @param profile of one more step
     */
    public record Times(
            String stage, long tokensPerStep, List<Double> stepSeconds, OperatorProfile profile) {
        /** Takes a copy. */
        public Times {
            stepSeconds = List.copyOf(stepSeconds);
        }

        /** Median over the counted steps. */
        public double tokensPerSecond() {
            double[] seconds = stepSeconds.stream().mapToDouble(Double::doubleValue).toArray();
            return tokensPerStep / Statistics.median(seconds);
        }
    }

    /**
     * @param experiment its stages take the warm-up, the counted steps and one more, and report
     *     each step
     * @param listener hears of each stage once it is measured
     */
    public static void measure(Experiment experiment, Consumer<Times> listener) throws IOException {
        Path teacher = Path.of(experiment.config().teacher());
        Path scratch = Files.createTempDirectory("tegu-bench");
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher);
                DecoderModel model = Training.load(files, experiment);
                HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(teacher)) {
            TrainingData data =
                    TrainingData.load(
                            experiment.config().data().orElseThrow(),
                            tokenizer,
                            scratch.resolve("data"));
            Stages.each(
                    experiment,
                    model,
                    (objective, block, settings) -> {
                        if (!objective.groups().isEmpty()) {
                            listener.accept(
                                    stage(experiment, model, data, objective, settings, scratch));
                        }
                    });
        } finally {
            Durable.deleteTree(scratch);
        }
    }

    private static Times stage(
            Experiment experiment,
            DecoderModel model,
            TrainingData data,
            Objective objective,
            TrainingSettings settings,
            Path scratch)
            throws IOException {
        Clock clock = new Clock();
        new TrainingLoop(
                        data.train(), Optional.empty(), settings, experiment.config().seed(), clock)
                .run(
                        objective,
                        model.manager(),
                        new StageCheckpoints(scratch.resolve(objective.stage()), Map.of()));
        return new Times(
                objective.stage(), clock.tokensPerStep, clock.seconds, clock.profile.orElseThrow());
    }

    /** Takes the time from one step's end to the next one's, and profiles the last. */
    private static final class Clock implements TrainingListener {
        private final List<Double> seconds = new ArrayList<>();
        private long tokensPerStep;
        private long steps;
        private long before;
        private Optional<OperatorProfile.Running> running = Optional.empty();
        private Optional<OperatorProfile> profile = Optional.empty();

        @Override
        public void stageStarted(Stage stage) {
            tokensPerStep = stage.tokensPerStep();
            steps = stage.totalSteps();
        }

        @Override
        public void stepFinished(Step step) {
            try {
                if (running.isPresent()) {
                    profile = Optional.of(running.get().end());
                    return;
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            long now = System.nanoTime();
            if (step.step() > WARM_UP) {
                seconds.add((now - before) * 1e-9);
            }
            before = now;
            if (step.step() == steps - 1) {
                running = Optional.of(OperatorProfile.begin());
            }
        }
    }
}
