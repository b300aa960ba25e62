package dev.tegu.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentConfig;
import dev.tegu.cli.pipeline.StageTimes;
import dev.tegu.engine.OperatorProfile;
import dev.tegu.eval.ReportTable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Tokens per second of an experiment's stages, and where the time goes. */
@Command(
        name = "training",
        header = "Measure how fast an experiment's stages train, and where the time goes.",
        description =
                "%nTakes some steps of each stage on the experiment's own data and throws them away:"
                        + " two to warm up, --steps that count, one that is profiled. On a CPU the"
                        + " profile tells what part of a step goes into matrix products, and which"
                        + " other operators take most.",
        footer = {
            "  scripts/tegu bench training configs/demo.yaml",
            "  scripts/tegu bench training configs/demo.yaml --steps 20 --set method=lolcats --json"
        })
final class BenchTrainingCommand extends TeguCommand {
    /** Operators that are named beside the matrix products. */
    private static final int NAMED = 8;

    @ArgGroup(exclusive = false, multiplicity = "1", heading = ConfigOptions.HEADING, order = 1)
    private ConfigOptions config;

    @ArgGroup(exclusive = false, heading = JsonOption.HEADING, order = 2)
    private JsonOption output = new JsonOption();

    @ArgGroup(exclusive = false, heading = "%nMeasuring:%n", order = 3)
    private Measuring measuring = new Measuring();

    private static final class Measuring {
        @Option(
                names = "--steps",
                paramLabel = "N",
                description = "Steps of each stage that count; 10 if not given.")
        private int steps = 10;
    }

    @Override
    public void run() {
        if (measuring.steps < 1) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(), "--steps: expected at least 1, found " + measuring.steps);
        }
        List<StageTimes.Times> all = new ArrayList<>();
        try {
            StageTimes.measure(
                    config.load(shortened(config.load())),
                    times -> {
                        all.add(times);
                        console().say(times.stage() + ": measured");
                    });
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (output.json) {
            out().println(json(all));
        } else {
            print(all);
        }
    }

    /** The settings with which the stages take just the steps that are asked for. */
    private Map<String, String> shortened(Experiment experiment) {
        if (experiment.config().stages().isEmpty()) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(), config.file() + ": the experiment has no training stage");
        }
        Map<String, String> overrides = new LinkedHashMap<>();
        for (ExperimentConfig.Stage stage : experiment.config().stages()) {
            long steps = StageTimes.WARM_UP + measuring.steps + 1L;
            long tokens = steps * stage.training().tokensPerStep(stage.sequenceLength());
            overrides.put(stage.key() + ".tokens", String.valueOf(tokens));
            overrides.put(stage.key() + ".log_every", "1");
            overrides.put(stage.key() + ".save_every", "0");
            overrides.put(stage.key() + ".validate_every", "0");
            overrides.put(stage.key() + ".keep_best", "false");
            overrides.put(stage.key() + ".early_stop_patience", "0");
            overrides.put(stage.key() + ".scheduler", "constant");
        }
        return overrides;
    }

    private void print(List<StageTimes.Times> all) {
        List<List<String>> rows = new ArrayList<>();
        for (StageTimes.Times times : all) {
            rows.add(
                    List.of(
                            times.stage(),
                            String.format(Locale.ROOT, "%,d", times.tokensPerStep()),
                            String.format(Locale.ROOT, "%,.0f", times.tokensPerSecond()),
                            seconds(Collections.min(times.stepSeconds())),
                            seconds(Collections.max(times.stepSeconds())),
                            percent(1 - times.profile().matrixProductShare())));
        }
        List<String> header =
                List.of(
                        "stage",
                        "tokens/step",
                        "tokens/s",
                        "fastest s/step",
                        "slowest s/step",
                        "outside matrix products");
        out().print(new ReportTable(header, 1, rows).text());
        for (StageTimes.Times times : all) {
            out().println();
            out().println(times.stage() + ", a step of the profile: " + others(times.profile()));
        }
    }

    private static String others(OperatorProfile profile) {
        StringBuilder line = new StringBuilder("matrix products ");
        line.append(percent(profile.matrixProductShare()));
        double inOperators = 0;
        for (double seconds : profile.selfSeconds().values()) {
            inOperators += seconds;
        }
        profile.selfSeconds().entrySet().stream()
                .filter(entry -> !OperatorProfile.isMatrixProduct(entry.getKey()))
                .limit(NAMED)
                .forEach(
                        entry ->
                                line.append(", ")
                                        .append(entry.getKey().replaceFirst("^aten::", ""))
                                        .append(' ')
                                        .append(percent(entry.getValue() / profile.seconds())));
        return line.append(", outside of operators ")
                .append(percent(1 - inOperators / profile.seconds()))
                .toString();
    }

    private static ObjectNode json(List<StageTimes.Times> all) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        for (StageTimes.Times times : all) {
            ObjectNode stage = json.putObject(times.stage());
            stage.put("tokens_per_step", times.tokensPerStep());
            stage.put("tokens_per_second", times.tokensPerSecond());
            times.stepSeconds().forEach(stage.putArray("step_seconds")::add);
            stage.put("matrix_product_share", times.profile().matrixProductShare());
            stage.put("profiled_step_seconds", times.profile().seconds());
            times.profile().selfSeconds().forEach(stage.putObject("operator_seconds")::put);
        }
        return json;
    }

    private static String seconds(double value) {
        return String.format(Locale.ROOT, "%.3f", value);
    }

    private static String percent(double part) {
        return String.format(Locale.ROOT, "%.1f %%", 100 * part);
    }
}
