package dev.tegu.cli.pipeline;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.Durable;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.bench.PeakMemory;
import dev.tegu.cli.console.Durations;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentConfig;
import dev.tegu.distill.Objective;
import dev.tegu.distill.TrainingLoop;
import dev.tegu.distill.TrainingSettings;
import dev.tegu.distill.data.DataSettings;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.data.TrainingData;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.Engines;
import dev.tegu.engine.cuda.CudaDevice;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.MemoryType;
import dev.tegu.model.ModelWriter;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Locale;

/**
 * What an experiment will do and cost, found by doing a little of it: the teacher is loaded, the
 * data read into a temporary directory, and one batch of each stage computed, twice, with a
 * validation sequence. Nothing stays written.
 */
public final class Plan {
    private static final long FLOAT = Float.BYTES;

    /** Value and two moments: what a checkpoint keeps of a trained number. */
    private static final long KEPT_NUMBERS = 3;

    private final Experiment experiment;
    private final StringBuilder text = new StringBuilder();
    private final ObjectNode json = JsonNodeFactory.instance.objectNode();
    private double seconds;
    private long programBytes;
    private long weightBytes;
    private long trainedBytes;
    private long unmeasuredBytes;
    private long checkpointBytes;
    private long tokenBytes;

    private Plan(Experiment experiment) {
        this.experiment = experiment;
    }

    /** Makes the plan. */
    public static Plan of(Experiment experiment) throws IOException {
        Plan plan = new Plan(experiment);
        plan.compute();
        return plan;
    }

    /** Lines for a person. */
    public String text() {
        return text.toString();
    }

    /** The same as one object: counts, bytes and seconds. */
    public ObjectNode json() {
        return json;
    }

    private void compute() throws IOException {
        ExperimentConfig config = experiment.config();
        Path teacher = Path.of(config.teacher());
        Device device = Engines.device(config.device());
        CudaDevice.Memory before =
                device.isGpu() ? CudaDevice.of(device).memory() : new CudaDevice.Memory(0, 0);
        programBytes = PeakMemory.isCounted() ? PeakMemory.residentBytes() : 0;
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter.student(files, experiment.method(), config.seed());
            try (DecoderModel model = Training.load(files, experiment);
                    HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(teacher)) {
                method(model);
                if (config.data().isPresent()) {
                    TrainingData data = load(config.data().get(), tokenizer);
                    data(data);
                    Stages.each(
                            experiment,
                            model,
                            (objective, block, settings) ->
                                    StageMemory.of(
                                                    model,
                                                    objective,
                                                    block,
                                                    settings,
                                                    data.train().sequenceLength())
                                            .watch(
                                                    new StageMemory.Progress(),
                                                    () -> stage(model, data, objective, settings)));
                }
            }
            if (device.isGpu()) {
                card(CudaDevice.of(device), before);
            }
            memory(device);
            disk(files);
        }
        json.put("seconds", seconds);
        line("time: about %s of training on this machine", Durations.of(seconds));
    }

    /** The tokens stay mapped when their files are removed again. */
    private static TrainingData load(DataSettings settings, HuggingFaceTextTokenizer tokenizer)
            throws IOException {
        Path dir = Files.createTempDirectory("tegu-data");
        try {
            return TrainingData.load(settings, tokenizer, dir);
        } finally {
            Durable.deleteTree(dir);
        }
    }

    private void method(DecoderModel model) {
        long linear = 0;
        long added = 0;
        weightBytes = StageMemory.weightBytes(model);
        for (DecoderLayer layer : model.layers()) {
            linear += layer.attention().isPresent() ? 1 : 0;
            added += count(layer.parameters().values());
        }
        json.putObject("method")
                .put("linearized_layers", linear)
                .put("layers", model.layers().size())
                .put("new_parameters", added)
                .put("weights", MemoryType.nameOf(model.dtype()));
        line(
                "method: %d of %d layers linearized, %,d new parameters",
                linear, model.layers().size(), added);
        line("weights: %s in memory", MemoryType.nameOf(model.dtype()));
    }

    private void data(TrainingData data) {
        long validation = data.validation().map(PackedDataset::tokens).orElse(0L);
        tokenBytes = data.bytes();
        json.putObject("data")
                .put("train_tokens", data.train().tokens())
                .put("train_sequences", data.train().size())
                .put("validation_tokens", validation)
                .put("sequence_length", data.train().sequenceLength());
        line("data: %s", data);
    }

    private void stage(
            DecoderModel model, TrainingData data, Objective objective, TrainingSettings settings) {
        if (objective.groups().isEmpty()) {
            line("%s: skipped, %s", objective.stage(), Training.NOTHING_TO_TRAIN);
            return;
        }
        int length = objective.tokensRead(data.train().sequenceLength());
        long steps = settings.steps(length);
        long trained =
                objective.groups().stream()
                        .mapToLong(group -> count(group.parameters().values()))
                        .sum();
        TrainingLoop loop =
                new TrainingLoop(
                        data.train(), data.validation(), settings, 0, new TrainingListener() {});
        double step = loop.secondsPerStep(objective, model.manager());
        seconds += step * steps;
        // Value and gradient have been held here; two moments, and the best values, come in a run.
        long more = (2 + (settings.keepBest() ? 1 : 0)) * trained * FLOAT;
        unmeasuredBytes = Math.max(unmeasuredBytes, more);
        trainedBytes = Math.max(trainedBytes, more + 2 * trained * FLOAT);
        long kept = (KEPT_NUMBERS + (settings.keepBest() ? 1 : 0)) * trained * FLOAT;
        // One more is there while it is written, and the best one beside the last.
        long checkpoints = settings.saveTotalLimit() + 1L + (settings.validateEvery() > 0 ? 1 : 0);
        checkpointBytes += checkpoints * kept;
        json.withArray("stages")
                .addObject()
                .put("stage", objective.stage())
                .put("trained_parameters", trained)
                .put("steps", steps)
                .put("tokens_per_step", settings.tokensPerStep(length))
                .put("seconds_per_step", step)
                .put("seconds", step * steps);
        line(
                "%s: %,d trained parameters, %,d steps of %,d tokens, %.2f s a step, %s",
                objective.stage(),
                trained,
                steps,
                settings.tokensPerStep(length),
                step,
                Durations.of(step * steps));
    }

    private void card(CudaDevice device, CudaDevice.Memory before) {
        CardMemory memory =
                new CardMemory(
                        device.toString(),
                        device.name(),
                        before.totalBytes(),
                        before.freeBytes(),
                        weightBytes,
                        trainedBytes,
                        device.memory().usedBytes() - before.usedBytes() + unmeasuredBytes);
        memory.addTo(json);
        line("%s", memory.line());
    }

    private void memory(Device device) throws IOException {
        if (!PeakMemory.isCounted()) {
            line("memory: not measured, this system does not say what a process uses");
            return;
        }
        if (device.isGpu()) {
            long host = PeakMemory.peakBytes();
            json.putObject("memory_bytes").put("total", host).put("program", programBytes);
            line("memory of the host: about %s at its peak", megabytes(host));
            return;
        }
        long known = programBytes + weightBytes + trainedBytes;
        long total = Math.max(known, PeakMemory.peakBytes() + unmeasuredBytes);
        long rest = total - known;
        json.putObject("memory_bytes")
                .put("total", total)
                .put("program", programBytes)
                .put("weights", weightBytes)
                .put("trained_state", trainedBytes)
                .put("activations", rest);
        line(
                "memory: about %s at its peak: %s program, %s weights, %s trained state with"
                        + " gradients and moments, %s activations and what else a step takes",
                megabytes(total),
                megabytes(programBytes),
                megabytes(weightBytes),
                megabytes(trainedBytes),
                megabytes(rest));
    }

    private void disk(HuggingFaceDirectory files) {
        long student =
                files.names().stream().mapToLong(name -> files.info(name).byteLength()).sum();
        long export = experiment.config().export().isPresent() ? student : 0;
        long total = student + export + checkpointBytes + tokenBytes;
        json.putObject("disk_bytes")
                .put("total", total)
                .put("student", student)
                .put("export", export)
                .put("checkpoints", checkpointBytes)
                .put("token_files", tokenBytes);
        line(
                "disk: about %s: %s student, %s export, %s checkpoints, %s token files",
                megabytes(total),
                megabytes(student),
                megabytes(export),
                megabytes(checkpointBytes),
                megabytes(tokenBytes));
    }

    private static long count(Collection<NDArray> tensors) {
        return tensors.stream().mapToLong(NDArray::size).sum();
    }

    private static String megabytes(long count) {
        return String.format(Locale.ROOT, "%,d MB", (count + 999_999) / 1_000_000);
    }

    private void line(String format, Object... values) {
        text.append(String.format(Locale.ROOT, format, values)).append('\n');
    }
}
