package dev.tegu.cli;

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
        header = "Make the page of a run: losses, layers and settings in one HTML file.",
        description =
                "%nReads RUN/metrics.jsonl and RUN/config.effective.yaml, of a run that is finished,"
                        + " interrupted or under way. Runs write their own page at the end of each"
                        + " stage.",
        footer = {
            "  scripts/tegu report runs/demo",
            "  scripts/tegu report runs/demo --output demo.html"
        })
final class ReportCommand extends TeguCommand {
    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, heading = "%nOutput:%n", order = 2)
    private Output output = new Output();

    private static final class Input {
        @Parameters(paramLabel = "RUN", description = "Directory of a run, its `output`.")
        private Path run;
    }

    private static final class Output {
        @Option(
                names = "--output",
                paramLabel = "FILE",
                description =
                        "Where to write the page, a new file. Without it: RUN/report.html, which is"
                                + " replaced.")
        private Optional<Path> file = Optional.empty();
    }

    @Override
    public void run() {
        Path file = output.file.orElse(input.run.resolve(RunReport.FILE_NAME));
        if (output.file.isPresent() && Files.exists(file)) {
            throw new IllegalArgumentException(file + ": exists already; name another output");
        }
        try {
            RunReport.write(input.run, file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out().println(file);
    }
}
