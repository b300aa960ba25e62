package dev.tegu.cli;

import dev.tegu.cli.bench.SpeedChart;
import dev.tegu.cli.bench.SpeedReport;
import dev.tegu.cli.report.ComparisonPage;
import dev.tegu.cli.watch.RunReport;
import java.awt.AWTError;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes the page of a run, or one that sets models side by side. */
@Command(
        name = "report",
        header = "Set models side by side on one page, or make a run's page again.",
        description =
                "%nReads the files that `run`, `eval --output`, `analyze` and `bench --output` have"
                        + " left, never a model, and writes one HTML file that needs no other:"
                        + " results with intervals and significance, recall maps, what the new"
                        + " attention does, memory and speed, training. docs/report.md says how to"
                        + " read it. A run may be finished, interrupted or under way. Of a"
                        + " benchmark alone: its picture, from DIR/bench.json.",
        footer = {
            "  scripts/tegu report runs/demo",
            "  scripts/tegu report runs/lizard runs/lolcats runs/hedgehog --output report.html",
            "  scripts/tegu report results analysis --output a.html --baseline teacher-14m",
            "  scripts/tegu report runs/bench"
        })
final class ReportCommand extends TeguCommand {
    private static final String PICTURE = ".png";
    private static final Pattern PLAIN = Pattern.compile("[\\w./=+:,@%-]+");

    @ArgGroup(exclusive = false, multiplicity = "1", heading = "%nInput:%n", order = 1)
    private Input input;

    @ArgGroup(exclusive = false, heading = "%nOutput:%n", order = 2)
    private Output output = new Output();

    private static final class Input {
        @Parameters(
                paramLabel = "DIR",
                arity = "1..*",
                description =
                        "Outputs of runs, evaluations, analyses and benchmarks, or result files. The"
                                + " first model of the first one is the one that others are compared"
                                + " with.")
        private List<Path> places;

        @Option(
                names = "--baseline",
                paramLabel = "NAME",
                description = "Compare with this model instead, named as on the page.")
        private Optional<String> baseline = Optional.empty();
    }

    private static final class Output {
        @Option(
                names = "--output",
                paramLabel = "FILE",
                description =
                        "Where to write it, a new file. Without it, of one DIR: DIR/report.html, or"
                                + " DIR/bench.png of a benchmark, which is replaced.")
        private Optional<Path> file = Optional.empty();
    }

    @Override
    public void run() {
        Path first = input.places.get(0);
        Path bench = first.resolve(SpeedReport.FILE_NAME);
        boolean isPicture = input.places.size() == 1 && isPicture(first, bench);
        if (input.places.size() > 1 && output.file.isEmpty()) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(), "several places: say with --output where the page goes");
        }
        if (isPicture && input.baseline.isPresent()) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(), "--baseline: a benchmark's picture compares no results");
        }
        Path file =
                output.file.orElseGet(
                        () ->
                                Files.isDirectory(first)
                                        ? first.resolve(
                                                isPicture
                                                        ? SpeedChart.FILE_NAME
                                                        : RunReport.FILE_NAME)
                                        : first.resolveSibling(RunReport.FILE_NAME));
        if (output.file.isPresent() && Files.exists(file)) {
            throw new IllegalArgumentException(file + ": exists already; name another output");
        }
        try {
            if (isPicture) {
                SpeedChart.write(SpeedReport.read(bench), file);
            } else {
                String size =
                        ComparisonPage.write(
                                input.places,
                                input.baseline,
                                command(input.places, input.baseline, file),
                                file);
                console().say(file + ": " + size);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (LinkageError | AWTError | InternalError e) {
            throw new InputException(
                    file
                            + ": not written: this Java draws no text ("
                            + e
                            + "); install fonts (on Debian: fontconfig and fonts-dejavu-core), or"
                            + " make it on another machine, from the same files",
                    e);
        }
        out().println(file);
    }

    /** A benchmark alone is drawn, as it always was, unless a page is asked for. */
    private boolean isPicture(Path place, Path bench) {
        boolean isRun = Files.exists(place.resolve("config.effective.yaml"));
        boolean asksForPage =
                output.file.map(file -> !file.toString().endsWith(PICTURE)).orElse(false);
        return Files.exists(bench) && !isRun && !asksForPage;
    }

    /** The command that makes a page again. */
    static String command(List<Path> places, Optional<String> baseline, Path file) {
        List<String> words = new ArrayList<>(List.of("scripts/tegu", "report"));
        places.forEach(place -> words.add(quoted(place.toString())));
        baseline.ifPresent(name -> words.addAll(List.of("--baseline", quoted(name))));
        if (places.size() > 1) {
            words.addAll(List.of("--output", quoted(file.toString())));
        }
        return String.join(" ", words);
    }

    /** As a shell reads it. */
    private static String quoted(String word) {
        return PLAIN.matcher(word).matches() ? word : "'" + word.replace("'", "'\\''") + "'";
    }
}
