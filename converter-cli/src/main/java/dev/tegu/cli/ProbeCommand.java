package dev.tegu.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Shows the numbers inside, for a comparison with other implementations. */
@Command(
        name = "probe",
        header =
                "Write the numbers inside a model or a layer, to compare with other implementations.",
        synopsisSubcommandLabel = "COMMAND",
        commandListHeading = "%nCommands:%n",
        subcommands = {ProbeLogitsCommand.class, ProbeAttentionCommand.class},
        footer = {
            "  scripts/tegu probe attention --spec lolcats.yaml --tensors in.safetensors"
                    + " --output out.safetensors",
            "  scripts/tegu probe logits runs/demo/export --ids ids.safetensors"
                    + " --output logits.safetensors"
        })
final class ProbeCommand extends TeguCommand {
    @Override
    public void run() {
        throw new CommandLine.ParameterException(
                spec.commandLine(), "expected one of " + spec.subcommands().keySet());
    }
}
