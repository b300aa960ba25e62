package dev.tegu.cli;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.SafetensorsFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Checks that a model directory is whole. */
@Command(
        name = "verify",
        header = "Check that a model directory is whole.",
        description =
                "%nReads every byte of a model, or of adapters exported alone, and compares it with"
                        + " the manifest, where there is one; checks"
                        + " the headers of the weights against each other and against the index.",
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
        boolean hasManifest = Files.exists(dir.resolve(Manifest.FILE_NAME));
        try {
            if (hasManifest) {
                Manifest.verify(dir);
            }
            openWeights(dir, hasManifest);
        } catch (CheckpointException e) {
            throw new VerificationException(e.getMessage());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out().println(
                        dir
                                + (hasManifest
                                        ? ": whole, every file as the manifest says"
                                        : ": headers and index agree; there is no manifest, so the"
                                                + " bytes of the weights were not compared"));
    }

    /** Checks the headers: of a model's weights, or of adapters that were exported alone. */
    private static void openWeights(Path dir, boolean hasManifest) throws IOException {
        boolean isAdapters =
                hasManifest && "adapters".equals(Manifest.read(dir).properties().get("kind"));
        if (isAdapters) {
            SafetensorsFile.open(dir.resolve(ADAPTERS)).close();
        } else {
            HuggingFaceDirectory.open(dir).close();
        }
    }
}
