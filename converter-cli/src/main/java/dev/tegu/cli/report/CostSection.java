package dev.tegu.cli.report;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tegu.cli.bench.DecodePoint;
import dev.tegu.cli.bench.SpeedReport;
import dev.tegu.cli.bench.TrainingPoint;
import dev.tegu.cli.watch.Html;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** Memory and speed: what a sequence keeps, benchmarks, and what the evaluation took. */
final class CostSection {
    private static final double MIB = 1 << 20;
    private static final double KIB = 1 << 10;
    private static final int SHORTEST = 64;

    private final Columns columns;
    private final Map<String, SpeedReport> benches;

    CostSection(Columns columns, Map<String, SpeedReport> benches) {
        this.columns = columns;
        this.benches = benches;
    }

    String html() throws IOException {
        StringBuilder html = new StringBuilder(state());
        for (Map.Entry<String, SpeedReport> bench : benches.entrySet()) {
            appendBench(html, bench.getKey(), bench.getValue());
        }
        return html.append(timings()).toString();
    }

    /** A softmax cache grows with each token; the others' states are there from the first on. */
    private String state() throws IOException {
        LineChart chart =
                new LineChart(
                                "State of one sequence",
                                "tokens of the text",
                                "KiB that decoding keeps",
                                true)
                        .ofPowers();
        boolean hasGrowing = false;
        boolean hasFixed = false;
        for (int i = 0; i < columns.models().size(); i++) {
            Measured model = columns.models().get(i);
            if (model.stateBytes().isEmpty()
                    || model.facts().attention().isEmpty()
                    || model.facts().positions().isEmpty()) {
                continue;
            }
            double bytes = model.stateBytes().getAsLong();
            long positions = model.facts().positions().getAsLong();
            List<LineChart.Point> points = new ArrayList<>();
            for (long length = SHORTEST; length <= positions; length *= 2) {
                double kept = model.grows() ? bytes * length / positions : bytes;
                points.add(new LineChart.Point(length, kept / KIB));
            }
            hasGrowing |= model.grows();
            hasFixed |= !model.grows();
            chart.add(i, model.name(), points);
        }
        return hasGrowing && hasFixed ? Palette.legend(columns.names()) + chart.figure() : "";
    }

    private static void appendBench(StringBuilder html, String name, SpeedReport bench)
            throws IOException {
        html.append("<h3>Benchmark " + Html.escaped(name) + "</h3>\n<p class=\"note\">")
                .append(
                        Html.escaped(
                                String.join(
                                        ", ",
                                        List.of(
                                                bench.settings().path("hardware").asText(),
                                                bench.settings().path("dtype").asText(),
                                                bench.settings().path("shape").asText()))))
                .append("</p>\n");
        Map<String, Integer> places = new LinkedHashMap<>();
        bench.decoding().forEach(p -> places.putIfAbsent(p.model(), places.size()));
        if (!places.isEmpty()) {
            html.append(Palette.legend(List.copyOf(places.keySet())));
            html.append(
                    decoding(
                            bench,
                            places,
                            "Decoding",
                            "tokens a second",
                            DecodePoint::decodeTokensPerSecond));
            html.append(
                    decoding(bench, places, "Decoding: state", "MiB", p -> p.stateBytes() / MIB));
        }
        if (!bench.training().isEmpty()) {
            List<List<String>> rows = new ArrayList<>();
            for (TrainingPoint p : bench.training()) {
                rows.add(
                        List.of(
                                p.method(),
                                p.stage(),
                                Words.whole(p.tokensPerSecond()),
                                p.peakBytes() == null ? "-" : Words.whole(p.peakBytes() / MIB)));
            }
            html.append(
                    Html.table(List.of("training", "stage", "tokens a second", "peak MiB"), rows));
        }
        bench.failures()
                .forEach(
                        failure ->
                                html.append(
                                        "<p class=\"note\">Not measured: "
                                                + Html.escaped(failure)
                                                + "</p>\n"));
    }

    private static String decoding(
            SpeedReport bench,
            Map<String, Integer> places,
            String title,
            String unit,
            ToDoubleFunction<DecodePoint> value)
            throws IOException {
        LineChart chart = new LineChart(title, "tokens of context", unit, true).ofPowers();
        places.forEach(
                (model, place) ->
                        chart.add(
                                place,
                                model,
                                bench.decoding().stream()
                                        .filter(p -> p.model().equals(model))
                                        .map(
                                                p ->
                                                        new LineChart.Point(
                                                                p.context(),
                                                                value.applyAsDouble(p)))
                                        .toList()));
        return chart.figure();
    }

    /** Seconds and speed of each task, which differ from run to run. */
    private String timings() {
        List<List<String>> rows = new ArrayList<>();
        for (TaskNumbers task : columns.all()) {
            if (task.isPart()) {
                continue;
            }
            List<String> row = new ArrayList<>(List.of(task.alias()));
            for (Measured model : columns.models()) {
                JsonNode timing = model.json().path("timings").path(task.task());
                row.add(
                        timing.isObject()
                                ? String.format(
                                        Locale.ROOT,
                                        "%s s, %s tokens/s",
                                        Words.whole(timing.path("seconds").asDouble()),
                                        Words.whole(timing.path("tokens_per_second").asDouble()))
                                : "-");
            }
            rows.add(row);
        }
        if (rows.stream().allMatch(row -> row.stream().skip(1).allMatch("-"::equals))) {
            return "";
        }
        List<String> header = new ArrayList<>(List.of("task"));
        header.addAll(columns.names());
        return "<details><summary>What the evaluation took</summary>\n<p class=\"note\">On the"
                + " machine as it was then, whatever else it did; answers that were known from an"
                + " interrupted run took no time.</p>\n"
                + Html.table(header, rows)
                + "</details>\n";
    }
}
