package dev.tegu.cli;

import ai.djl.Device;
import dev.tegu.lora.AdaptedModels;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.LogitsProbe;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Set;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Writes a model's logits and hidden states for given tokens. */
@Command(
        name = "logits",
        header = "Write a model's logits and hidden states for given tokens.",
        description =
                "%nReads input_ids [B, T] (I64); writes float32 logits [B, T, V] and"
                        + " hidden_states.N [B, T, M]: 0 the embeddings, the last one after the"
                        + " final norm.",
        footer = {
            "  scripts/tegu probe logits runs/demo/export --ids ids.safetensors"
                    + " --output logits.safetensors",
            "  scripts/tegu probe logits path/to/teacher --ids ids.safetensors"
                    + " --output logits.safetensors --device cpu"
        })
final class ProbeLogitsCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nOutput:%n", order = 2)
    private Output output;

    @ArgGroup(exclusive = false, heading = "%nDevice:%n", order = 3)
    private ModelDeviceOptions device = new ModelDeviceOptions();

    private static final class Input extends ModelInput {
        @Option(
                names = "--ids",
                required = true,
                paramLabel = "FILE",
                description = "Safetensors file with input_ids.")
        private Path ids;
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
        try {
            Device place = device.device();
            try (DecoderModel model =
                    AdaptedModels.load(input.model, place, Set.of(), device.type(place))) {
                LogitsProbe.run(model, input.ids, output.file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out().println(output.file);
    }
}
