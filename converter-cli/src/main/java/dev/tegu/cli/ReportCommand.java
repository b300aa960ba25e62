package dev.tegu.cli;

import dev.tegu.cli.bench.SpeedChart;
import dev.tegu.cli.bench.SpeedReport;
import dev.tegu.cli.watch.RunReport;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes the page of a run. */
@Command(
        name = "report",
        header = "Make the page of a run, or the picture of a benchmark, again.",
        description =
                "%nOf a run: losses, layers and settings in one HTML file. Reads RUN/metrics.jsonl and"
                        + " RUN/config.effective.yaml, of a run that is finished, interrupted or under"
                        + " way. Runs write their own page at the end of each stage. Of what `bench"
                        + " --output` has left: the picture, from RUN/bench.json.",
        footer = {
            "  scripts/tegu report runs/demo",
            "  scripts/tegu report runs/demo --output demo.html",
            "  scripts/tegu report runs/bench"
        })
final class ReportCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, heading = "%nOutput:%n", order = 2)
    private Output output = new Output();

    private static final class Input {
        @Parameters(paramLabel = "RUN", description = "`output` of a run or a benchmark.")
        private Path run;
    }

    private static final class Output {
        @Option(
                names = "--output",
                paramLabel = "FILE",
                description =
                        "Where to write it, a new file. Without it: RUN/report.html or RUN/bench.png,"
                                + " which is replaced.")
        private Optional<Path> file = Optional.empty();
    }

    @Override
    public void run() {
        Path bench = input.run.resolve(SpeedReport.FILE_NAME);
        boolean isBench = Files.exists(bench);
        Path file =
                output.file.orElse(
                        input.run.resolve(isBench ? SpeedChart.FILE_NAME : RunReport.FILE_NAME));
        if (output.file.isPresent() && Files.exists(file)) {
            throw new IllegalArgumentException(file + ": exists already; name another output");
        }
        try {
            if (isBench) {
                SpeedChart.write(SpeedReport.read(bench), file);
            } else {
                RunReport.write(input.run, file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out().println(file);
    }
}
