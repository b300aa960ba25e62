package dev.tegu.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionWorkload;
import dev.tegu.checkpoint.DType;
import dev.tegu.cli.bench.BenchChart;
import dev.tegu.cli.bench.BenchPlan;
import dev.tegu.cli.bench.BenchPoint;
import dev.tegu.cli.bench.BenchProcess;
import dev.tegu.cli.bench.BenchReport;
import dev.tegu.cli.experiment.Methods;
import dev.tegu.engine.Engines;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Time and memory of one attention layer against the length of the text. */
@Command(
        name = "attention",
        header = "Measure an attention layer's time and memory against the length of the text.",
        description =
                "%nRuns one layer of each method on random inputs in float32: the chunked"
                        + " form, and up to --quadratic-up-to the quadratic one beside it (not where"
                        + " each feature has a gate: that takes a T x T matrix a feature). Times are"
                        + " medians. Peak memory is what the process held at most beyond what it held"
                        + " idle, inputs and gradients included; only Linux counts it.",
        footer = {
            "  scripts/tegu bench attention --methods lolcats,gla --lengths 512,1024,2048",
            "  scripts/tegu bench attention --output runs/bench --json"
        })
final class BenchAttentionCommand extends TeguCommand {
    @ArgGroup(exclusive = false, heading = "%nInput:%n", order = 1)
    private Input input = new Input();

    @ArgGroup(exclusive = false, heading = JsonOption.HEADING, order = 2)
    private Output output = new Output();

    @ArgGroup(exclusive = false, heading = "%nDevice:%n", order = 3)
    private DeviceOptions device = new DeviceOptions();

    private static final class Input {
        @Option(
                names = "--methods",
                split = ",",
                paramLabel = "NAMES",
                description =
                        "Presets or YAML files, separated by commas; hedgehog,lolcats,lizard,gla if"
                                + " not given.")
        private List<String> methods = List.of("hedgehog", "lolcats", "lizard", "gla");

        @Option(
                names = "--lengths",
                split = ",",
                paramLabel = "NUMBERS",
                description = "Tokens, separated by commas; 512 to 32768 by doubling if not given.")
        private List<Integer> lengths = List.of(512, 1024, 2048, 4096, 8192, 16384, 32768);

        @Option(
                names = "--quadratic-up-to",
                paramLabel = "N",
                description = "Longest text of the quadratic form; 2048 if not given, 0 for none.")
        private int quadraticUpTo = 2048;

        @Option(names = "--heads", paramLabel = "N", description = "Query heads; 4 if not given.")
        private int heads = 4;

        @Option(
                names = "--kv-heads",
                paramLabel = "N",
                description = "Key/value heads, a divisor of --heads; 2 if not given.")
        private int kvHeads = 2;

        @Option(
                names = "--head-dim",
                paramLabel = "N",
                description = "Width of a head, even; 64 if not given.")
        private int headDim = 64;

        @Option(
                names = "--batch-size",
                paramLabel = "N",
                description = "Rows of a batch; 1 if not given.")
        private int batchSize = 1;

        @Option(
                names = "--repeats",
                paramLabel = "N",
                description = "Timed runs of each point after one warm-up; 3 if not given.")
        private int repeats = 3;
    }

    /** The device's name, {@code auto} resolved. */
    private String place;

    private static final class Output extends JsonOption {
        @Option(
                names = "--output",
                paramLabel = "DIR",
                description =
                        "Write attention.json and attention.png into this directory, replacing"
                                + " older ones.")
        private Path dir;
    }

    @Override
    public void run() {
        checkNumbers();
        place = Engines.nameOf(Engines.device(device.device));
        // A method that is wrong is told before the first measurement.
        List<BenchPlan> plans = plans();
        try {
            if (output.dir != null) {
                Files.createDirectories(output.dir);
            }
            BenchReport report = new BenchReport(settings(), measure(plans));
            if (output.dir != null) {
                Path json = output.dir.resolve("attention.json");
                Files.writeString(json, report.json().toPrettyString() + "\n");
                BenchChart.write(report, output.dir.resolve("attention.png"));
            }
            if (output.json) {
                out().println(report.json());
            } else {
                report.lines().forEach(out()::println);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private List<BenchPoint> measure(List<BenchPlan> plans) throws IOException {
        List<BenchPoint> points = new ArrayList<>();
        for (BenchPlan plan : plans) {
            points.addAll(
                    BenchProcess.run(
                            plan,
                            p ->
                                    console()
                                            .say(
                                                    String.format(
                                                            Locale.ROOT,
                                                            "%s, %s, %d tokens: forward %.1f ms,"
                                                                    + " training %.1f ms",
                                                            p.method(),
                                                            p.form(),
                                                            p.length(),
                                                            p.forwardMillis(),
                                                            p.trainingMillis()))));
        }
        return points;
    }

    private List<BenchPlan> plans() {
        AttentionShape shape =
                new AttentionShape(
                        input.heads, input.kvHeads, input.headDim, input.heads * input.headDim);
        List<Integer> lengths = input.lengths.stream().distinct().sorted().toList();
        List<Integer> few = lengths.stream().filter(t -> t <= input.quadraticUpTo).toList();
        List<BenchPlan> plans = new ArrayList<>();
        for (String method : input.methods) {
            var attention = Methods.resolve(method, "--methods");
            attention.check(shape);
            plans.add(plan(method, AttentionWorkload.Form.CHUNKED, shape, lengths));
            if (!few.isEmpty() && !attention.gate().isVector()) {
                plans.add(plan(method, AttentionWorkload.Form.QUADRATIC, shape, few));
            }
        }
        return plans;
    }

    private BenchPlan plan(
            String method,
            AttentionWorkload.Form form,
            AttentionShape shape,
            List<Integer> lengths) {
        return new BenchPlan(
                method, form, shape, input.batchSize, input.repeats, lengths, place, DType.F32);
    }

    private ObjectNode settings() {
        ObjectNode settings = JsonNodeFactory.instance.objectNode();
        settings.put("device", place);
        settings.put("heads", input.heads);
        settings.put("kv_heads", input.kvHeads);
        settings.put("head_dim", input.headDim);
        settings.put("batch_size", input.batchSize);
        settings.put("repeats", input.repeats);
        settings.put("processors", Runtime.getRuntime().availableProcessors());
        settings.put("omp_num_threads", System.getenv("OMP_NUM_THREADS"));
        settings.put("java", System.getProperty("java.version"));
        return settings;
    }

    private void checkNumbers() {
        atLeastOne("--heads", input.heads);
        atLeastOne("--kv-heads", input.kvHeads);
        atLeastOne("--head-dim", input.headDim);
        atLeastOne("--batch-size", input.batchSize);
        atLeastOne("--repeats", input.repeats);
        input.lengths.forEach(length -> atLeastOne("--lengths", length));
        if (input.heads % input.kvHeads != 0) {
            wrong(input.heads + " --heads cannot share " + input.kvHeads + " --kv-heads");
        }
        if (input.headDim % 2 != 0) {
            wrong("--head-dim: RoPE needs an even number, found " + input.headDim);
        }
    }

    private void atLeastOne(String option, int number) {
        if (number < 1) {
            wrong(option + ": expected at least 1, found " + number);
        }
    }

    private void wrong(String message) {
        throw new CommandLine.ParameterException(spec.commandLine(), message);
    }
}
