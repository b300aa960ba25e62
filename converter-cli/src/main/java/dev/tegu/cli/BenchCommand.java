package dev.tegu.cli;

import ai.djl.Device;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionWorkload.Form;
import dev.tegu.attention.FusedAttention;
import dev.tegu.checkpoint.DType;
import dev.tegu.cli.bench.BenchPlan;
import dev.tegu.cli.bench.BenchPoint;
import dev.tegu.cli.bench.BenchProcess;
import dev.tegu.cli.bench.DecodePoint;
import dev.tegu.cli.bench.ModelShape;
import dev.tegu.cli.bench.SpeedChart;
import dev.tegu.cli.bench.SpeedJob;
import dev.tegu.cli.bench.SpeedProcess;
import dev.tegu.cli.bench.SpeedReport;
import dev.tegu.cli.bench.TrainingPoint;
import dev.tegu.cli.experiment.Methods;
import dev.tegu.engine.Engines;
import dev.tegu.engine.cuda.CudaDevice;
import dev.tegu.model.MemoryType;
import dev.tegu.model.ModelConfig;
import java.awt.AWTError;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Measures time and memory of everything. */
@Command(
        name = "bench",
        header = "Measure time and memory of training, attention and decoding.",
        description =
                "%nWithout a COMMAND: makes random models of a shape on the device, students and"
                        + " teacher, and measures each part in a process of its own: tokens a second"
                        + " of both stages, an attention layer's time against the length of the"
                        + " text, prefill and decoding against the context, memory against what"
                        + " --dry-run would say. No files are read. On the CPU the defaults are"
                        + " small and take under a minute, on a GPU they are those of"
                        + " llama-3.2-1b in bfloat16, which takes two minutes on an H200.",
        synopsisSubcommandLabel = "[COMMAND]",
        commandListHeading = "%nCommands:%n",
        subcommands = {BenchAttentionCommand.class, BenchTrainingCommand.class},
        footer = {
            "  scripts/tegu bench",
            "  scripts/tegu bench --device cuda --output runs/bench",
            "  scripts/tegu bench --parts training --methods lizard --steps 2000"
        })
final class BenchCommand extends TeguCommand {
    /** What can be measured. */
    enum Part {
        TRAINING,
        ATTENTION,
        DECODING
    }

    @ArgGroup(exclusive = false, heading = "%nModel:%n", order = 1)
    private Model model = new Model();

    @ArgGroup(exclusive = false, heading = "%nMeasuring:%n", order = 2)
    private Measuring measuring = new Measuring();

    @ArgGroup(exclusive = false, heading = JsonOption.HEADING, order = 3)
    private Output output = new Output();

    @ArgGroup(exclusive = false, heading = "%nDevice:%n", order = 4)
    private Where where = new Where();

    private static final class Model {
        @Option(
                names = "--shape",
                paramLabel = "NAME",
                description =
                        "llama-3.2-1b, teacher-14m or tiny; if not given, tiny on the CPU and"
                                + " llama-3.2-1b on a GPU.")
        private String shape;

        @Option(
                names = "--model",
                paramLabel = "DIR",
                description = "Take the shape of this model's config.json instead.")
        private Path dir;

        @Option(
                names = "--set",
                paramLabel = "KEY=NUMBER",
                description =
                        "Change a size of the shape by its key in config.json, for example --set"
                                + " num_hidden_layers=2; may be repeated.")
        private Map<String, String> sizes = new LinkedHashMap<>();

        @Option(
                names = "--methods",
                split = ",",
                paramLabel = "NAMES",
                description =
                        "Presets or YAML files, separated by commas; lizard,lolcats if not given.")
        private List<String> methods = List.of("lizard", "lolcats");
    }

    private static final class Measuring {
        @Option(
                names = "--parts",
                split = ",",
                paramLabel = "LIST",
                description = "training, attention, decoding, or some of them; all if not given.")
        private Set<Part> parts = new LinkedHashSet<>(List.of(Part.values()));

        @Option(
                names = "--steps",
                paramLabel = "N",
                description = "Training steps that count; 4 on the CPU, 20 on a GPU.")
        private Integer steps;

        @Option(
                names = "--batch-size",
                paramLabel = "N",
                description = "Sequences of a training step; 2 on the CPU, 4 on a GPU.")
        private Integer batchSize;

        @Option(
                names = "--sequence-length",
                paramLabel = "N",
                description = "Tokens of a training sequence; 256 on the CPU, 2048 on a GPU.")
        private Integer sequenceLength;

        @Option(
                names = "--gradient-checkpointing",
                description = "Fine-tune with the layers' inputs alone kept.")
        private boolean gradientCheckpointing;

        @Option(
                names = "--lengths",
                split = ",",
                paramLabel = "NUMBERS",
                description =
                        "Tokens of the attention layer's texts; 256 to 2048 on the CPU, 512 to 8192"
                                + " on a GPU, by doubling.")
        private List<Integer> lengths;

        @Option(
                names = "--attention-batch",
                paramLabel = "N",
                description = "Rows of the attention layer; 1 on the CPU, 8 on a GPU.")
        private Integer attentionBatch;

        @Option(
                names = "--contexts",
                split = ",",
                paramLabel = "NUMBERS",
                description =
                        "Tokens before the first decoded one; 128 to 2048 on the CPU, 1024 to 65536"
                                + " on a GPU, by doubling.")
        private List<Integer> contexts;

        @Option(
                names = "--prefill-up-to",
                paramLabel = "N",
                description =
                        "Longest context that is read and timed; a longer one is put in place"
                                + " unread. 8192 if not given.")
        private int prefillUpTo = 8192;

        @Option(
                names = "--decode-batch",
                paramLabel = "N",
                description = "Texts that are continued at once; 2 on the CPU, 16 on a GPU.")
        private Integer decodeBatch;

        @Option(
                names = "--decode-tokens",
                paramLabel = "N",
                description = "Tokens of a row that are timed; 16 on the CPU, 128 on a GPU.")
        private Integer decodeTokens;
    }

    private static final class Output extends JsonOption {
        @Option(
                names = "--output",
                paramLabel = "DIR",
                description =
                        "Write bench.json and bench.png into this directory, replacing older ones.")
        private Path dir;
    }

    private static final class Where extends DeviceOptions {
        @Option(
                names = "--dtype",
                paramLabel = "TYPE",
                description =
                        "float32, bfloat16 or float16; if not given, float32 on the CPU and"
                                + " bfloat16 on a GPU.")
        private MemoryType dtype;
    }

    private Device device;
    private boolean isCard;
    private DType type;
    private String shapeName;
    private ObjectNode config;
    private final List<TrainingPoint> training = new ArrayList<>();
    private final List<BenchPoint> attention = new ArrayList<>();
    private final List<DecodePoint> decoding = new ArrayList<>();
    private final List<String> failures = new ArrayList<>();

    @Override
    public void run() {
        try {
            prepare();
            if (output.dir != null) {
                Files.createDirectories(output.dir);
            }
            if (measuring.parts.contains(Part.TRAINING)) {
                measureTraining();
            }
            if (measuring.parts.contains(Part.ATTENTION)) {
                measureAttention();
            }
            if (measuring.parts.contains(Part.DECODING)) {
                measureDecoding();
            }
            report(new SpeedReport(settings(), training, attention, decoding, failures));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (!failures.isEmpty()) {
            throw new IllegalStateException(
                    "bench: " + failures.size() + " parts were not measured, see above");
        }
    }

    /** Refuses what is wrong before the first measurement. */
    private void prepare() throws IOException {
        if (where.dtype == MemoryType.AUTO) {
            throw usage("--dtype: a random model has no type of its own; name one");
        }
        if (model.dir != null && model.shape != null) {
            throw usage("--shape and --model both give a shape; name one");
        }
        device = Engines.device(where.device);
        isCard = device.isGpu();
        type = where.dtype == null ? either(DType.F32, DType.BF16) : where.dtype.of(null, null);
        if (model.dir == null) {
            shapeName = model.shape == null ? either("tiny", "llama-3.2-1b") : model.shape;
            config = ModelShape.named(shapeName);
        } else {
            shapeName = model.dir.toString();
            config = ModelShape.of(model.dir);
        }
        ModelShape.change(config, model.sizes);
        AttentionShape shape = shape();
        model.methods.forEach(method -> Methods.resolve(method, "--methods").check(shape));
        atLeastOne("--steps", steps());
        atLeastOne("--batch-size", batchSize());
        atLeastOne("--attention-batch", attentionBatch());
        atLeastOne("--decode-batch", decodeBatch());
        atLeastOne("--decode-tokens", decodeTokens());
        lengths().forEach(length -> atLeastOne("--lengths", length));
        contexts().forEach(context -> atLeastOne("--contexts", context));
        if (sequenceLength() < 2) {
            throw usage("--sequence-length: expected at least 2, found " + sequenceLength());
        }
    }

    private void measureTraining() throws IOException {
        for (String method : model.methods) {
            for (SpeedJob.Work stage :
                    List.of(SpeedJob.Work.ATTENTION_TRANSFER, SpeedJob.Work.LORA_FINETUNE)) {
                SpeedProcess.run(
                                job(stage, method, batchSize()),
                                TrainingPoint.class,
                                point -> {
                                    training.add(point);
                                    say(
                                            "%s, %s: %,.0f tokens/s",
                                            point.method(), point.stage(), point.tokensPerSecond());
                                })
                        .ifPresent(this::failed);
            }
        }
    }

    private void measureAttention() throws IOException {
        AttentionShape shape = shape();
        for (String method : model.methods) {
            attention(method, Form.CHUNKED);
            if (!isCard) {
                continue;
            }
            var reason =
                    FusedAttention.reasonAgainst(
                            Methods.resolve(method, "--methods"), shape, device, type);
            if (reason.isEmpty()) {
                attention(method, Form.FUSED);
                attention(method, Form.KERNEL);
            } else {
                console().say(method + ": " + reason.get());
            }
        }
        attention(model.methods.get(0), Form.SOFTMAX);
    }

    private void attention(String method, Form form) {
        BenchPlan plan =
                new BenchPlan(
                        method,
                        form,
                        shape(),
                        attentionBatch(),
                        3,
                        lengths(),
                        Engines.nameOf(device),
                        type);
        // Softmax attention is the same whatever the method.
        String name = form == Form.SOFTMAX ? "teacher" : method;
        try {
            BenchProcess.run(
                    plan,
                    p -> {
                        attention.add(p.named(name));
                        say(
                                "%s, %s, %d tokens: forward %.2f ms, training %.2f ms",
                                name, p.form(), p.length(), p.forwardMillis(), p.trainingMillis());
                    });
        } catch (IOException | IllegalStateException e) {
            failed(e.getMessage());
        }
    }

    private void measureDecoding() throws IOException {
        List<String> models = new ArrayList<>(List.of(""));
        models.addAll(model.methods);
        for (String method : models) {
            SpeedProcess.run(
                            job(SpeedJob.Work.DECODING, method, decodeBatch()),
                            DecodePoint.class,
                            point -> {
                                decoding.add(point);
                                say(
                                        "%s, context %,d: %,.0f tokens/s",
                                        point.model(),
                                        point.context(),
                                        point.decodeTokensPerSecond());
                            })
                    .ifPresent(this::failed);
        }
    }

    private SpeedJob job(SpeedJob.Work work, String method, int rows) {
        return new SpeedJob(
                work,
                method,
                Engines.nameOf(device),
                type,
                config,
                rows,
                sequenceLength(),
                steps(),
                measuring.gradientCheckpointing,
                contexts(),
                measuring.prefillUpTo,
                decodeTokens());
    }

    private void failed(String why) {
        failures.add(why);
        console().say("not measured: " + why);
    }

    private void say(String format, Object... values) {
        console().say(String.format(Locale.ROOT, format, values));
    }

    private void report(SpeedReport report) throws IOException {
        if (output.json) {
            out().println(report.json());
        } else {
            report.lines().forEach(out()::println);
        }
        if (output.dir == null) {
            return;
        }
        Files.writeString(
                output.dir.resolve(SpeedReport.FILE_NAME), report.json().toPrettyString() + "\n");
        try {
            SpeedChart.write(report, output.dir.resolve(SpeedChart.FILE_NAME));
        } catch (IOException | RuntimeException | LinkageError | AWTError e) {
            // a Java without fonts draws nothing
            console()
                    .say(
                            output.dir.resolve(SpeedChart.FILE_NAME)
                                    + ": not written ("
                                    + e
                                    + "); draw it elsewhere from "
                                    + SpeedReport.FILE_NAME
                                    + " with `scripts/tegu report "
                                    + output.dir
                                    + "`");
        }
    }

    private ObjectNode settings() {
        ObjectNode settings = JsonNodeFactory.instance.objectNode();
        int processors = Runtime.getRuntime().availableProcessors();
        settings.put(
                "hardware",
                isCard ? CudaDevice.of(device).name() : "CPU, " + processors + " processors");
        settings.put("device", Engines.nameOf(device));
        settings.put("dtype", MemoryType.nameOf(type));
        settings.put("shape", shapeName);
        settings.set("config", config);
        settings.put("batch_size", batchSize());
        settings.put("sequence_length", sequenceLength());
        settings.put("gradient_checkpointing", measuring.gradientCheckpointing);
        settings.put("attention_batch", attentionBatch());
        settings.put("decode_batch", decodeBatch());
        settings.put("decode_tokens", decodeTokens());
        settings.put("processors", processors);
        settings.put("omp_num_threads", System.getenv("OMP_NUM_THREADS"));
        settings.put("libtorch", Engines.libtorchVersion());
        settings.put("java", System.getProperty("java.version"));
        return settings;
    }

    private AttentionShape shape() {
        return ModelConfig.parse(config, "--shape").shape();
    }

    private <T> T either(T onCpu, T onCard) {
        return isCard ? onCard : onCpu;
    }

    private int or(Integer given, int onCpu, int onCard) {
        return given == null ? either(onCpu, onCard) : given;
    }

    private int steps() {
        return or(measuring.steps, 4, 20);
    }

    private int batchSize() {
        return or(measuring.batchSize, 2, 4);
    }

    private int sequenceLength() {
        return or(measuring.sequenceLength, 256, 2048);
    }

    private int attentionBatch() {
        return or(measuring.attentionBatch, 1, 8);
    }

    private int decodeBatch() {
        return or(measuring.decodeBatch, 2, 16);
    }

    private int decodeTokens() {
        return or(measuring.decodeTokens, 16, 128);
    }

    private List<Integer> lengths() {
        return sorted(
                measuring.lengths,
                List.of(256, 512, 1024, 2048),
                List.of(512, 1024, 2048, 4096, 8192));
    }

    private List<Integer> contexts() {
        return sorted(
                measuring.contexts,
                List.of(128, 256, 512, 1024, 2048),
                List.of(1024, 2048, 4096, 8192, 16384, 32768, 65536));
    }

    private List<Integer> sorted(List<Integer> given, List<Integer> onCpu, List<Integer> onCard) {
        return given == null ? either(onCpu, onCard) : given.stream().distinct().sorted().toList();
    }

    private void atLeastOne(String option, int number) {
        if (number < 1) {
            throw usage(option + ": expected at least 1, found " + number);
        }
    }

    private CommandLine.ParameterException usage(String message) {
        return new CommandLine.ParameterException(spec.commandLine(), message);
    }
}
