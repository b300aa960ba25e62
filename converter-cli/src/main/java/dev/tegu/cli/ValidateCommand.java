package dev.tegu.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.cli.experiment.ConfigSchemas;
import dev.tegu.cli.experiment.Experiment;
import java.io.PrintWriter;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Checks an experiment without running it. */
@Command(
        name = "validate",
        header = "Check an experiment and print it with all its defaults.",
        description =
                "%nPrints every problem with its line, or `ok` and the effective experiment, each"
                        + " value with where it came from.",
        footer = {
            "  scripts/tegu validate configs/demo.yaml",
            "  scripts/tegu validate configs/demo.yaml --set method=hedgehog",
            "  scripts/tegu validate --schema"
        })
final class ValidateCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "0..1", heading = ConfigOptions.HEADING, order = 1)
    private ConfigOptions config;

    @ArgGroup(exclusive = false, heading = "%nEditors:%n", order = 2)
    private Editors editors = new Editors();

    private static final class Editors {
        @Option(
                names = "--schema",
                arity = "0..1",
                fallbackValue = "experiment",
                paramLabel = "KIND",
                description =
                        "Print a JSON Schema instead, by which editors complete and mark keys: that"
                                + " of `experiment` (without a word) or `pretrain`.")
        private Optional<ConfigSchemas> schema = Optional.empty();
    }

    @Override
    public void run() {
        if (config == null == editors.schema.isEmpty()) {
            String wrong =
                    config == null
                            ? "Missing required argument: CONFIG, or --schema"
                            : "CONFIG and --schema exclude each other; give one of the two";
            throw new CommandLine.ParameterException(spec.commandLine(), wrong);
        }
        if (editors.schema.isPresent()) {
            out().println(json(editors.schema.get()));
            return;
        }
        Experiment experiment = config.load();
        PrintWriter out = out();
        out.println("# " + config.file() + ": ok");
        out.print(experiment.effectiveYaml());
    }

    private static String json(ConfigSchemas schema) {
        try {
            return new JsonMapper()
                    .writerWithDefaultPrettyPrinter()
                    .writeValueAsString(schema.schema());
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("the schema of " + schema, e);
        }
    }
}
