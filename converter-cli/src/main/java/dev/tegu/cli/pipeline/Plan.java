package dev.tegu.cli.pipeline;

import ai.djl.ndarray.NDArray;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.console.Durations;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentConfig;
import dev.tegu.distill.Objective;
import dev.tegu.distill.TrainingLoop;
import dev.tegu.distill.TrainingSettings;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.MemoryType;
import dev.tegu.model.ModelWriter;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What an experiment will do and cost, found by doing a little of it: the teacher is loaded, the
 * data read, and one batch of each stage computed, twice. Nothing is written.
 */
public final class Plan {
    private static final long FLOAT = Float.BYTES;

    private final Experiment experiment;
    private final StringBuilder text = new StringBuilder();
    private double seconds;
    private long checkpointBytes;
    private long momentBytes;

    private Plan(Experiment experiment) {
        this.experiment = experiment;
    }

    /** The plan as lines of text. */
    public static String of(Experiment experiment) throws IOException {
        Plan plan = new Plan(experiment);
        plan.compute();
        return plan.text.toString();
    }

    private void compute() throws IOException {
        ExperimentConfig config = experiment.config();
        Path teacher = Path.of(config.teacher());
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter.student(files, experiment.method(), config.seed());
            try (DecoderModel model = Training.load(files, experiment);
                    HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(teacher)) {
                long linear = 0;
                long added = 0;
                for (DecoderLayer layer : model.layers()) {
                    linear += layer.attention().isPresent() ? 1 : 0;
                    added += count(layer.parameters());
                }
                line(
                        "method: %d of %d layers linearized, %,d new parameters",
                        linear, model.layers().size(), added);
                line("weights: %s in memory", MemoryType.nameOf(model.dtype()));
                if (config.data().isPresent()) {
                    TrainingData data = TrainingData.load(config.data().get(), tokenizer);
                    line("data: %s", data);
                    Stages.each(
                            experiment,
                            model,
                            (objective, block, settings) ->
                                    stage(model, data, objective, settings));
                }
            }
            memory();
            disk(files);
        }
        line("time: about %s of training on this machine", Durations.of(seconds));
    }

    private void stage(
            DecoderModel model, TrainingData data, Objective objective, TrainingSettings settings) {
        if (objective.groups().isEmpty()) {
            line("%s: skipped, %s", objective.stage(), Training.NOTHING_TO_TRAIN);
            return;
        }
        int length = data.train().sequenceLength();
        long steps = settings.steps(length);
        long trained =
                objective.groups().stream().mapToLong(group -> count(group.parameters())).sum();
        TrainingLoop loop =
                new TrainingLoop(
                        data.train(), Optional.empty(), settings, 0, new TrainingListener() {});
        double step = loop.secondsPerStep(objective, model.manager());
        seconds += step * steps;
        checkpointBytes += 2 * 3 * trained * FLOAT;
        momentBytes = Math.max(momentBytes, 2 * trained * FLOAT);
        line(
                "%s: %,d trained parameters, %,d steps of %,d tokens, %.2f s a step, %s",
                objective.stage(),
                trained,
                steps,
                settings.tokensPerStep(length),
                step,
                Durations.of(step * steps));
    }

    private void memory() throws IOException {
        Path status = Path.of("/proc/self/status");
        Optional<Long> peak = Optional.empty();
        if (Files.isReadable(status)) {
            peak =
                    Files.readAllLines(status).stream()
                            .filter(line -> line.startsWith("VmHWM:"))
                            .map(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024)
                            .findFirst();
        }
        if (peak.isPresent()) {
            line(
                    "memory: about %s (the peak of this dry run, and the optimizer's state)",
                    bytes(peak.get() + momentBytes));
        } else {
            line("memory: not measured, this system does not say what a process uses");
        }
    }

    private void disk(HuggingFaceDirectory files) {
        long weights =
                files.names().stream().mapToLong(name -> files.info(name).byteLength()).sum();
        int copies = experiment.config().export().isPresent() ? 2 : 1;
        line(
                "disk: about %s (student%s, checkpoints)",
                bytes(copies * weights + checkpointBytes), copies == 2 ? ", export" : "");
    }

    private static long count(Map<String, NDArray> tensors) {
        return tensors.values().stream().mapToLong(t -> t.getShape().size()).sum();
    }

    private static String bytes(long count) {
        return String.format(Locale.ROOT, "%,d MB", (count + 999_999) / 1_000_000);
    }

    private void line(String format, Object... values) {
        text.append(String.format(Locale.ROOT, format, values)).append('\n');
    }
}
