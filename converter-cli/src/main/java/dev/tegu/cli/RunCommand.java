package dev.tegu.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentConfig;
import dev.tegu.cli.experiment.ExportSettings;
import dev.tegu.cli.pipeline.Evaluation;
import dev.tegu.cli.pipeline.Plan;
import dev.tegu.cli.pipeline.RunDirectory;
import dev.tegu.cli.pipeline.Training;
import dev.tegu.cli.report.ComparisonPage;
import dev.tegu.cli.watch.RunReport;
import java.awt.AWTError;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;

/** A whole experiment: convert, train, export, evaluate. */
@Command(
        name = "run",
        header = "Linearize a model as an experiment says: convert, train, export, evaluate.",
        description =
                "%nLeaves under OUTPUT: student/ (trained), export/, eval/ (results of teacher and"
                        + " student), metrics.jsonl, config.effective.yaml, report.html, tensorboard/. Stages that the"
                        + " experiment leaves out are skipped.",
        footer = {
            "  scripts/tegu run configs/demo.yaml",
            "  scripts/tegu run configs/demo.yaml --set method=hedgehog --set output=runs/hedgehog"
        })
final class RunCommand extends TeguCommand {
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
            } else {
                try (RunDirectory run =
                        RunDirectory.open(
                                Path.of(experiment.config().output()),
                                experiment.effectiveYaml(),
                                options.resume)) {
                    run(experiment, run);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void run(Experiment experiment, RunDirectory run) throws IOException {
        ExperimentConfig settings = experiment.config();
        Optional<Evaluation> evaluation =
                settings.eval().map(ignored -> new Evaluation(experiment, console()));
        boolean wasThere = RunDirectory.isWritten(run.student());
        new Training(experiment, console(), stop()).run(run);
        Path given = run.student();
        if (settings.export().isPresent()) {
            ExportSettings export = settings.export().get();
            wasThere = RunDirectory.isWritten(run.export());
            if (wasThere) {
                console().say(run.export() + ": written by an earlier run");
            } else {
                ExportCommand.export(run.student(), run.export(), export);
            }
            if (export.format() == ExportSettings.Format.HF) {
                given = run.export();
            }
        }
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("output", given.toString());
        if (evaluation.isPresent()) {
            Evaluation.Results results = measure(evaluation.get(), given, run.eval(), wasThere);
            json.setAll(results.models());
            if (!output.json) {
                out().print(results.table());
            }
        }
        writePage(run.root());
        if (output.json) {
            out().println(json);
        } else {
            out().println(given);
        }
        console().say("Next: scripts/tegu generate " + given + " --prompt TEXT");
    }

    /** The page with the evaluation on it. A picture that fails takes nothing with it. */
    private void writePage(Path run) {
        Path file = run.resolve(RunReport.FILE_NAME);
        List<Path> places = List.of(run);
        try {
            String size =
                    ComparisonPage.write(
                            places,
                            Optional.empty(),
                            ReportCommand.command(places, Optional.empty(), file),
                            file);
            console().say(file + ": " + size);
        } catch (IOException | RuntimeException | LinkageError | AWTError | InternalError e) {
            console()
                    .say(
                            file
                                    + ": not written ("
                                    + e
                                    + "); make the page later with `scripts/tegu report "
                                    + run
                                    + "`");
        }
    }

    /** What is given away is what is measured, read from the disk again. */
    private Evaluation.Results measure(
            Evaluation evaluation, Path model, Path dir, boolean wasThere) throws IOException {
        Optional<Evaluation.Results> earlier =
                wasThere ? evaluation.earlier(dir) : Optional.empty();
        if (earlier.isPresent()) {
            console().say(dir + ": written by an earlier run");
            return earlier.get();
        }
        return evaluation.run(model, dir);
    }
}
