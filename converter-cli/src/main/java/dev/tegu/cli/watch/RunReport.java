package dev.tegu.cli.watch;

import dev.tegu.checkpoint.Durable;
import dev.tegu.cli.watch.RunMetrics.Part;
import dev.tegu.cli.watch.RunMetrics.Point;
import dev.tegu.cli.watch.RunMetrics.StageMetrics;
import java.awt.Color;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The page {@code report.html} of a run: losses, layers and settings, in one file that needs no
 * other. Made from {@code metrics.jsonl} and {@code config.effective.yaml} alone, so that it can be
 * made again at any time.
 */
public final class RunReport {
    /** Name of the page in a run's directory. */
    public static final String FILE_NAME = "report.html";

    private static final String METRICS = "metrics.jsonl";
    private static final String CONFIG = "config.effective.yaml";
    private static final Color TRAINING = new Color(0x2f6db3);
    private static final Color VALIDATION = new Color(0xc4501b);
    private static final int WIDE = 1000;
    private static final int NARROW = 360;

    private static final String STYLE =
            """
            body { font: 16px/1.45 system-ui, sans-serif; color: #222222; background: #ffffff;
                   max-width: 1040px; margin: 0 auto; padding: 12px 16px 40px; }
            h1 { font-size: 1.5em; overflow-wrap: anywhere; } h2 { margin-top: 2em; }
            table { border-collapse: collapse; margin: 8px 0; }
            th, td { padding: 3px 12px 3px 0; text-align: right; border-bottom: 1px solid #d5d8dc;
                     font-variant-numeric: tabular-nums; white-space: nowrap; }
            th { text-align: left; font-weight: 600; } thead th { text-align: right; }
            thead th:first-child { text-align: left; }
            .scroll { overflow-x: auto; } img, svg { width: 100%; height: auto; display: block; }
            figure { margin: 16px 0; } .narrow { display: none; }
            pre { overflow-x: auto; background: #f5f6f8; padding: 12px; font-size: 13px; }
            @media (max-width: 640px) { .wide { display: none; } .narrow { display: block; } }
            """;

    private final Path run;
    private final String heading;
    private final StringBuilder html = new StringBuilder();

    private RunReport(Path run, String heading) {
        this.run = run;
        this.heading = heading;
    }

    /**
     * Writes the page; what stood in its place before is replaced in one step.
     *
     * @param run directory of a run, finished or not
     * @throws IOException if the run's files cannot be read or the page not be written
     */
    public static void write(Path run, Path file) throws IOException {
        String page = new RunReport(run, "h2").page();
        Durable.write(file, page.getBytes(StandardCharsets.UTF_8));
    }

    /**
     * The part of the page between title and settings, for pages with more on them: a table of the
     * stages, then each stage under a heading of the third level. Pictures are twice in it, of the
     * classes {@code wide} and {@code narrow}, or in a {@code picture}.
     *
     * @throws IOException if the run's files cannot be read
     */
    public static String training(Path run) throws IOException {
        RunReport report = new RunReport(run, "h3");
        report.appendTraining();
        return report.html.toString();
    }

    private String page() throws IOException {
        String settings = Files.readString(run.resolve(CONFIG));
        String title = "Run " + run.toAbsolutePath().normalize().getFileName();
        html.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
                .append("<meta name=\"viewport\" content=\"width=device-width\">\n")
                .append("<link rel=\"icon\" href=\"data:,\">\n")
                .append("<title>" + Html.escaped(title) + "</title>\n")
                .append("<style>\n" + STYLE + "</style>\n</head>\n<body>\n")
                .append("<h1>" + Html.escaped(title) + "</h1>\n");
        appendTraining();
        html.append("<h2>Settings</h2>\n<p>Behind each value: where it came from.</p>\n<pre>")
                .append(Html.escaped(settings))
                .append("</pre>\n</body>\n</html>\n");
        return html.toString();
    }

    private void appendTraining() throws IOException {
        RunMetrics metrics = RunMetrics.read(run.resolve(METRICS));
        if (metrics.stages().isEmpty()) {
            html.append("<p>No step has been reported yet.</p>\n");
        } else {
            appendSummary(metrics);
        }
        for (StageMetrics stage : metrics.stages()) {
            appendStage(stage);
        }
    }

    private void appendSummary(RunMetrics metrics) {
        List<List<String>> rows = new ArrayList<>();
        for (StageMetrics stage : metrics.stages()) {
            List<Point> training = stage.training();
            List<Point> validation = stage.validation();
            rows.add(
                    List.of(
                            stage.name(),
                            training.isEmpty() ? "0" : whole(last(training).step()),
                            training.isEmpty() ? "0" : whole(last(training).tokens()),
                            training.isEmpty() ? "-" : Html.number(training.get(0).loss()),
                            training.isEmpty() ? "-" : Html.number(last(training).loss()),
                            validation.isEmpty() ? "-" : Html.number(validation.get(0).loss()),
                            validation.isEmpty() ? "-" : Html.number(last(validation).loss()),
                            validation.isEmpty() ? "-" : Html.number(best(validation))));
        }
        html.append(
                Html.table(
                        List.of(
                                "stage",
                                "steps",
                                "tokens",
                                "first loss",
                                "last loss",
                                "first validation loss",
                                "last validation loss",
                                "best validation loss"),
                        rows));
    }

    private void appendStage(StageMetrics stage) throws IOException {
        html.append("<" + heading + ">" + Html.escaped(stage.name()) + "</" + heading + ">\n");
        if (stage.notFinite() > 0) {
            html.append(
                    String.format(
                            Locale.ROOT,
                            "<p>Losses that are not finite, left out of the pictures: %d.</p>\n",
                            stage.notFinite()));
        }
        CurveChart losses = new CurveChart("Loss", "loss");
        addLosses(losses, "training", stage.training(), TRAINING);
        addLosses(losses, "validation", stage.validation(), VALIDATION);
        append(losses);
        List<String> layers = relative(stage);
        if (!layers.isEmpty()) {
            append(
                    partChart(
                            "Relative error of each layer", "relative error", stage, layers, true));
            html.append("<figure>\n");
            LayerHeatMap map = LayerHeatMap.of(layers, stage.training());
            html.append(map.svg(WIDE, "wide")).append(map.svg(NARROW, "narrow"));
            html.append("</figure>\n");
        }
        List<String> terms = stage.parts().stream().filter(p -> !layers.contains(p)).toList();
        if (!terms.isEmpty()) {
            append(partChart("Parts of the loss", "loss", stage, terms, false));
        }
        if (!stage.parts().isEmpty()) {
            appendParts(stage);
        }
    }

    /** Parts with a relative error that a logarithmic scale can show. */
    private static List<String> relative(StageMetrics stage) {
        return stage.parts().stream()
                .filter(
                        name ->
                                stage.training().stream()
                                        .map(point -> point.parts().get(name))
                                        .anyMatch(
                                                part ->
                                                        part != null
                                                                && LayerHeatMap.isShown(
                                                                        part.relative())))
                .toList();
    }

    private static void addLosses(CurveChart chart, String name, List<Point> points, Color colour) {
        chart.add(
                name,
                points.stream().map(Point::step).toList(),
                points.stream().map(Point::loss).toList(),
                colour);
    }

    private static CurveChart partChart(
            String title, String unit, StageMetrics stage, List<String> names, boolean relative) {
        CurveChart chart = new CurveChart(title, unit);
        for (int i = 0; i < names.size(); i++) {
            List<Long> steps = new ArrayList<>();
            List<Double> values = new ArrayList<>();
            for (Point point : stage.training()) {
                Part part = point.parts().get(names.get(i));
                if (part != null) {
                    steps.add(point.step());
                    values.add(relative ? part.relative() : part.loss());
                }
            }
            // from the orange on: the palest colours are no lines on white
            double place = 0.3 + 0.7 * (i + 0.5) / names.size();
            chart.add(names.get(i), steps, values, ColourScale.at(place));
        }
        return chart;
    }

    private void append(CurveChart chart) throws IOException {
        if (chart.isEmpty()) {
            return;
        }
        html.append("<figure><picture>\n<source media=\"(max-width: 640px)\" srcset=\"")
                .append(chart.dataUri(NARROW, 300))
                .append("\">\n<img alt=\"" + Html.escaped(chart.alternative()) + "\" src=\"")
                .append(chart.dataUri(WIDE, 380))
                .append("\">\n</picture></figure>\n");
    }

    private void appendParts(StageMetrics stage) {
        List<List<String>> rows = new ArrayList<>();
        for (String name : stage.parts()) {
            rows.add(
                    List.of(
                            name,
                            Html.number(lastPart(stage.training(), name).loss()),
                            Html.number(lastPart(stage.training(), name).relative()),
                            Html.number(lastPart(stage.validation(), name).loss()),
                            Html.number(lastPart(stage.validation(), name).relative())));
        }
        html.append(
                Html.table(
                        List.of(
                                "last values",
                                "loss",
                                "relative error",
                                "validation loss",
                                "validation relative error"),
                        rows));
    }

    private static Part lastPart(List<Point> points, String name) {
        Part none = new Part(Double.NaN, Double.NaN);
        return points.isEmpty() ? none : last(points).parts().getOrDefault(name, none);
    }

    private static double best(List<Point> points) {
        return points.stream()
                .mapToDouble(Point::loss)
                .filter(Double::isFinite)
                .min()
                .orElse(Double.NaN);
    }

    private static Point last(List<Point> points) {
        return points.get(points.size() - 1);
    }

    private static String whole(long count) {
        return String.format(Locale.ROOT, "%,d", count);
    }
}
