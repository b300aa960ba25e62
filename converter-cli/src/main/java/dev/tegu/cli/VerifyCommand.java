package dev.tegu.cli;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
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
                "%nReads every byte and compares it with the manifest, where there is one; checks"
                        + " the headers of the weights against each other and against the index.",
        footer = {
            "  scripts/tegu verify runs/demo/export",
            "  scripts/tegu verify path/to/huggingface/directory"
        })
final class VerifyCommand extends TeguCommand {
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
            HuggingFaceDirectory.open(dir).close();
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
}
