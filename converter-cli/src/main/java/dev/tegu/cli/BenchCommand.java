package dev.tegu.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Measures time and memory. */
@Command(
        name = "bench",
        header = "Measure time and memory.",
        synopsisSubcommandLabel = "COMMAND",
        commandListHeading = "%nCommands:%n",
        subcommands = {BenchAttentionCommand.class, BenchTrainingCommand.class},
        footer = {
            "  scripts/tegu bench attention",
            "  scripts/tegu bench training configs/demo.yaml"
        })
final class BenchCommand extends TeguCommand {
    @Override
    public void run() {
        throw new CommandLine.ParameterException(
                spec.commandLine(), "expected one of " + spec.subcommands().keySet());
    }
}
