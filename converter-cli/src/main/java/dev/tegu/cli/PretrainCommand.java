package dev.tegu.cli;

import dev.tegu.cli.pretrain.PretrainConfig;
import dev.tegu.cli.pretrain.Pretraining;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Trains a model from scratch. */
@Command(
        name = "pretrain",
        header = "Train a small Llama from scratch, to be a teacher.",
        description =
                "%nWrites OUTPUT/model, a directory in the HuggingFace layout, and beside it the"
                        + " losses, training checkpoints, and the generated corpus if the"
                        + " configuration has one.",
        footer = {
            "  scripts/tegu pretrain configs/demo-teacher.yaml",
            "  scripts/tegu pretrain configs/demo-teacher.yaml --set pretrain.tokens=500_000"
                    + " --resume"
        })
final class PretrainCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, heading = "%nTraining:%n", order = 2)
    private Training training = new Training();

    private static final class Input {
        @Parameters(
                paramLabel = "CONFIG",
                description = "YAML file of the model; its paths start at the current directory.")
        private Path file;

        @Option(
                names = "--set",
                paramLabel = "KEY=VALUE",
                description =
                        "Lay one value over the file, for example `--set model.hidden_size=64`; may"
                                + " be repeated.")
        private Map<String, String> overrides = new LinkedHashMap<>();
    }

    private static final class Training {
        @Option(
                names = "--resume",
                description = "Go on with an interrupted run of the same settings.")
        private boolean resume;
    }

    @Override
    public void run() {
        PretrainConfig config = PretrainConfig.load(input.file, input.overrides);
        try {
            Path model = new Pretraining(config, console(), stop()).run(training.resume);
            console().say("Next: scripts/tegu eval " + model + " --tasks recall");
            out().println(model);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
