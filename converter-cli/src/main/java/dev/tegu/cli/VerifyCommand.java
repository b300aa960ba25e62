package dev.tegu.cli;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.model.Verification;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Checks that a model directory is whole. */
@Command(
        name = "verify",
        header = "Check that a model directory is whole.",
        description =
                "%nReads every byte of a model, or of adapters exported alone: compares files with the"
                        + " manifest, where there is one, and the weights with their headers, index"
                        + " and config.json; tied tensors must be equal and all numbers finite.",
        footer = {
            "  scripts/tegu verify runs/demo/export",
            "  scripts/tegu verify path/to/huggingface/directory"
        })
final class VerifyCommand extends TeguCommand {
    /** PEFT's name for the file of adapters. */
    private static final String ADAPTERS = "adapter_model.safetensors";

    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n")
    private Input input;

    private static final class Input {
        @Parameters(paramLabel = "DIR", description = "Directory of a model.")
        private Path dir;
    }

    @Override
    public void run() {
        Path dir = input.dir;
        if (!Files.isDirectory(dir)) {
            throw new InputException(dir + ": no such directory");
        }
        List<String> checked = new ArrayList<>();
        try {
            boolean hasManifest = Files.exists(dir.resolve(Manifest.FILE_NAME));
            if (hasManifest) {
                Manifest.verify(dir);
                checked.add("every file as the manifest says");
            } else {
                checked.add("there is no manifest, so no digests were compared");
            }
            List<String> faults = weightFaults(dir, hasManifest, checked);
            if (!faults.isEmpty()) {
                throw new CheckpointException(dir + ": " + String.join("; ", faults));
            }
        } catch (CheckpointException e) {
            throw new VerificationException(e.getMessage());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out().println(dir + ": whole: " + String.join("; ", checked));
    }

    /** Faults of a model's weights, or of adapters that were exported alone. */
    private static List<String> weightFaults(Path dir, boolean hasManifest, List<String> checked)
            throws IOException {
        boolean isAdapters =
                hasManifest && "adapters".equals(Manifest.read(dir).properties().get("kind"));
        if (isAdapters) {
            try (SafetensorsFile file = SafetensorsFile.open(dir.resolve(ADAPTERS))) {
                checked.add(file.tensors().size() + " tensors, all finite");
                return Verification.faults(file);
            }
        }
        try (HuggingFaceDirectory model = HuggingFaceDirectory.open(dir)) {
            checked.add(
                    Verification.isFamilyKnown(model)
                            ? "names and shapes as config.json asks"
                            : "names and shapes not checked, the model's family is not known");
            checked.add(model.names().size() + " tensors, all finite");
            return Verification.faults(model);
        }
    }
}
