package dev.tegu.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.pipeline.Plan;
import dev.tegu.cli.pipeline.RunDirectory;
import dev.tegu.cli.pipeline.Training;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;

/** The training stages of an experiment alone. */
@Command(
        name = "train",
        header = "Run the training stages of an experiment.",
        description =
                "%nConverts the teacher, trains, and writes OUTPUT/student. `run` also evaluates and"
                        + " exports.",
        footer = {
            "  scripts/tegu train configs/demo.yaml --set output=runs/train --set seed=1",
            "  scripts/tegu train configs/demo.yaml --dry-run"
        })
final class TrainCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = ConfigOptions.HEADING, order = 1)
    private ConfigOptions config;

    @ArgGroup(exclusive = false, heading = JsonOption.HEADING, order = 2)
    private JsonOption output = new JsonOption();

    @ArgGroup(exclusive = false, heading = RunOptions.HEADING, order = 3)
    private RunOptions options = new RunOptions();

    @Override
    public void run() {
        Experiment experiment = config.load();
        try {
            if (options.dryRun) {
                options.print(Plan.of(experiment), output.json, out());
                return;
            }
            try (RunDirectory run =
                    RunDirectory.open(
                            Path.of(experiment.config().output()),
                            experiment.effectiveYaml(),
                            options.resume)) {
                new Training(experiment, console(), stop()).run(run);
                if (output.json) {
                    out().println(
                                    JsonNodeFactory.instance
                                            .objectNode()
                                            .put("output", run.student().toString()));
                } else {
                    out().println(run.student());
                }
                console().say("Next: scripts/tegu generate " + run.student() + " --prompt TEXT");
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
