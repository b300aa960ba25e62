package dev.tegu.cli;

import dev.tegu.cli.experiment.Experiment;
import java.io.PrintWriter;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;

/** Checks an experiment without running it. */
@Command(
        name = "validate",
        header = "Check an experiment and print it with all its defaults.",
        description = "%nPrints every problem with its line, or `ok` and the effective experiment.",
        footer = {
            "  scripts/tegu validate configs/demo.yaml",
            "  scripts/tegu validate configs/demo.yaml --set method=hedgehog"
        })
final class ValidateCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = ConfigOptions.HEADING)
    private ConfigOptions config;

    @Override
    public void run() {
        Experiment experiment = config.load();
        PrintWriter out = out();
        out.println("# " + config.file() + ": ok");
        out.print(experiment.effectiveYaml());
    }
}
