package dev.tegu.cli;

import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentFile;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The experiment a command works on. */
final class ConfigOptions {
    static final String HEADING = "%nInput:%n";

    @Parameters(
            paramLabel = "CONFIG",
            description = "YAML file of the experiment; its paths start at the current directory.")
    private Path file;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description =
                    "Lay one value over the file, for example"
                            + " `--set attention_transfer.tokens=10_000`; may be repeated.")
    private Map<String, String> overrides = new LinkedHashMap<>();

    @Option(
            names = "--device",
            paramLabel = "NAME",
            description =
                    "auto, cpu, cuda or cuda:N instead of the file's `device`, as --set device=NAME.")
    private String device;

    /** The file with the overrides over it. */
    Experiment load() {
        return load(Map.of());
    }

    /** The file with the overrides over it, and more over them. */
    Experiment load(Map<String, String> more) {
        Map<String, String> all = new LinkedHashMap<>(overrides);
        if (device != null) {
            all.put("device", device);
        }
        all.putAll(more);
        return ExperimentFile.load(file, all);
    }

    Path file() {
        return file;
    }
}
