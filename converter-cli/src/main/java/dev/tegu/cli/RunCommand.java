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
        Measured measured = new Measured(evaluation, run.eval(), wasThere);
        if (settings.export().isPresent()) {
            ExportSettings export = settings.export().get();
            boolean isWhole = export.format() == ExportSettings.Format.HF;
            given = isWhole ? run.export() : given;
            if (!isWhole) {
                measured.measure(given);
            }
            if (RunDirectory.isWritten(run.export())) {
                console().say(run.export() + ": written by an earlier run");
            } else {
                // Its README.md has the figures, so it is measured before it appears.
                ExportCommand.export(run.student(), run.export(), export, measured::measure);
            }
        }
        measured.measure(given);
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("output", given.toString());
        if (measured.results.isPresent()) {
            json.setAll(measured.results.get().models());
            if (!output.json) {
                out().print(measured.results.get().table());
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

    /** What is given away is what is measured, once, read from the disk again. */
    private final class Measured {
        private final Optional<Evaluation> evaluation;
        private final Path dir;
        private final boolean mayBeThere;
        private Optional<Evaluation.Results> results = Optional.empty();

        /**
         * @param mayBeThere whether results of an earlier start are those of this student
         */
        Measured(Optional<Evaluation> evaluation, Path dir, boolean mayBeThere) {
            this.evaluation = evaluation;
            this.dir = dir;
            this.mayBeThere = mayBeThere;
        }

        void measure(Path model) throws IOException {
            if (evaluation.isEmpty() || results.isPresent()) {
                return;
            }
            if (mayBeThere) {
                results = evaluation.get().earlier(dir);
            }
            if (results.isPresent()) {
                console().say(dir + ": written by an earlier run");
            } else {
                results = Optional.of(evaluation.get().run(model, dir));
            }
        }
    }
}
