package dev.tegu.cli;

import dev.tegu.attention.AttentionProbe;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.engine.Engines;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs one attention layer outside a model. */
@Command(
        name = "attention",
        header = "Run one attention layer on tensors of a file.",
        description =
                "%nReads q [B, H, T, D], k and v [B, K, T, D], cos and sin [T, D] where RoPE is"
                        + " wanted, the parameters by their checkpoint names, for a gate g [B, H, T]"
                        + " (its logarithm) or x [B, T, M], and optionally grad_output. Writes output,"
                        + " state.NAME and, given grad_output, grad.NAME of every input.",
        footer = {
            "  scripts/tegu probe attention --spec lolcats.yaml --tensors in.safetensors"
                    + " --output out.safetensors",
            "  scripts/tegu probe attention --spec lolcats.yaml --tensors in.safetensors"
                    + " --output out.safetensors --form reference"
        })
final class ProbeAttentionCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nOutput:%n", order = 2)
    private Output output;

    @ArgGroup(exclusive = false, heading = "%nDevice:%n", order = 3)
    private DeviceOptions device = new DeviceOptions();

    private static final class Input {
        @Option(
                names = "--spec",
                required = true,
                paramLabel = "FILE",
                description = "YAML file with the switches of the layer.")
        private Path spec;

        @Option(
                names = "--tensors",
                required = true,
                paramLabel = "FILE",
                description = "Safetensors file to read, all F32 or all F64.")
        private Path tensors;

        @Option(
                names = "--form",
                paramLabel = "FORM",
                description = "reference, chunked or step; chunked if not given.")
        private AttentionProbe.Form form = AttentionProbe.Form.CHUNKED;
    }

    private static final class Output {
        @Option(
                names = "--output",
                required = true,
                paramLabel = "FILE",
                description = "Safetensors file to write; one that is there is replaced.")
        private Path file;
    }

    @Override
    public void run() {
        AttentionSpec attention =
                ConfigBinder.bind(ConfigNode.read(input.spec), AttentionSpec.class);
        try {
            AttentionProbe.run(
                    attention,
                    input.form,
                    input.tensors,
                    output.file,
                    Engines.device(device.device));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out().println(output.file);
    }
}
