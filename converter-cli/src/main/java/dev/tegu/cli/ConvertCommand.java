package dev.tegu.cli;

import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.experiment.Methods;
import dev.tegu.config.ConfigNode;
import dev.tegu.model.ModelWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** A student directory, untrained. */
@Command(
        name = "convert",
        header = "Make an untrained student of a teacher.",
        description =
                "%nCopies the teacher's weights as they are and adds the method's new parameters at"
                        + " their start values. `run` converts and trains.",
        footer = {
            "  scripts/tegu convert --teacher path/to/model --method lolcats --output students/a",
            "  scripts/tegu convert --teacher path/to/model --method my.yaml --output students/b"
        })
final class ConvertCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, multiplicity = "1", heading = JsonOption.HEADING, order = 2)
    private OutputDirectory output;

    private static final class Input {
        @Option(
                names = "--teacher",
                required = true,
                paramLabel = "DIR",
                description = "Directory of a model of HuggingFace's layout.")
        private Path teacher;

        @Option(
                names = "--method",
                required = true,
                paramLabel = "NAME",
                description = "A preset (`scripts/tegu list methods`) or a YAML file.")
        private String method;

        @Option(
                names = "--set",
                paramLabel = "KEY=VALUE",
                description = "Lay a switch over the method, for example `window.size=32`.")
        private Map<String, String> overrides = new LinkedHashMap<>();

        @Option(
                names = "--seed",
                paramLabel = "N",
                description = "Decides random start values; 0 if not given.")
        private long seed;
    }

    @Override
    public void run() {
        ConfigNode switches = ConfigNode.parse("{}", "--set");
        for (Map.Entry<String, String> override : input.overrides.entrySet()) {
            switches = switches.with(override.getKey(), override.getValue(), "--set");
        }
        AttentionSpec spec = Methods.resolve(ConfigNode.of(input.method, "--method"), switches);
        try (HuggingFaceDirectory teacher = HuggingFaceDirectory.open(input.teacher)) {
            ModelWriter.student(teacher, spec, input.seed)
                    .property("method", input.method)
                    .write(output.dir);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out().println(output.dir);
    }
}
