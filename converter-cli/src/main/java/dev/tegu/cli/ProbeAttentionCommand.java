package dev.tegu.cli;

import dev.tegu.attention.AttentionProbe;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.LinearAttention;
import dev.tegu.cli.experiment.Methods;
import dev.tegu.engine.Engines;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs one attention layer outside a model. */
@Command(
        name = "attention",
        header = "Run one attention layer on tensors of a file.",
        description =
                "%nReads q [B, H, T, D], k and v [B, K, T, D], cos and sin [T, D] or [B, T, D] where"
                        + " RoPE is wanted, and the parameters by their checkpoint names; for a gate"
                        + " its logarithm g [B, S, T] or [B, S, T, F] (S = 1 or H), or x [B, T, M]"
                        + " and the gate's parameters; optionally mask [B, T] (0: padding), document"
                        + " [B, T] (int64) and grad_output. Writes output, state.NAME and, given"
                        + " grad_output, grad.NAME of every input of floats."
                        + " docs/probe-attention.md has the tensors of every switch, and an example"
                        + " in Python.",
        footer = {
            "  scripts/tegu probe attention --spec lolcats --tensors in.safetensors"
                    + " --output out.safetensors",
            "  scripts/tegu probe attention --spec my.yaml --tensors in.safetensors"
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
                paramLabel = "NAME",
                description =
                        "A preset (`scripts/tegu list methods`) or a YAML file with the switches of"
                                + " the layer.")
        private String spec;

        @Option(
                names = "--tensors",
                required = true,
                paramLabel = "FILE",
                description = "Safetensors file to read, floats all F64, or F32, BF16 and F16.")
        private Path tensors;

        @Option(
                names = "--form",
                paramLabel = "FORM",
                description = "reference, chunked or step; chunked if not given.")
        private AttentionProbe.Form form = AttentionProbe.Form.CHUNKED;

        @Option(
                names = "--chunk-size",
                paramLabel = "N",
                description =
                        "Rows of a chunk of the chunked form, which change no result; 64 if not"
                                + " given.")
        private int chunkSize = LinearAttention.DEFAULT_CHUNK_SIZE;
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
        if (input.chunkSize < 1) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(),
                    "expected a --chunk-size of at least 1, found " + input.chunkSize);
        }
        AttentionSpec attention = Methods.resolve(input.spec, "--spec");
        try {
            AttentionProbe.run(
                    attention,
                    input.form,
                    input.chunkSize,
                    input.tensors,
                    output.file,
                    Engines.device(device.device));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out().println(output.file);
    }
}
