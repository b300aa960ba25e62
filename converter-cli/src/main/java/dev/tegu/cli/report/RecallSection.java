package dev.tegu.cli.report;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tegu.cli.watch.RecallHeatMap;
import dev.tegu.eval.RecallGrid;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Recall by length and depth, and by how far back the fact stands. */
final class RecallSection {
    private static final Pattern BEYOND = Pattern.compile("acc_beyond_(\\d{1,9})");
    private static final int WIDE = 380;

    private final Columns columns;

    RecallSection(Columns columns) {
        this.columns = columns;
    }

    /** Heat maps, a row of pictures a task. */
    String maps() {
        StringBuilder html = new StringBuilder();
        for (TaskNumbers task : columns.all()) {
            List<String> maps = new ArrayList<>();
            for (Measured model : columns.models()) {
                grid(model, task)
                        .ifPresent(
                                grid ->
                                        maps.add(
                                                RecallHeatMap.svg(
                                                        task.alias() + ", " + model.name(),
                                                        grid,
                                                        WIDE,
                                                        "map")));
            }
            if (!maps.isEmpty()) {
                html.append("<div class=\"maps\">\n");
                maps.forEach(map -> html.append("<figure>\n").append(map).append("</figure>\n"));
                html.append("</div>\n");
            }
        }
        return html.toString();
    }

    /** Of a metric from 0 to 1; other grids have no place on the scale. */
    private static Optional<RecallGrid> grid(Measured model, TaskNumbers task) {
        JsonNode json = model.json().path("grids").path(task.task());
        String metric = json.path("metric").asText();
        boolean isShare =
                task.values().stream()
                        .anyMatch(value -> value.metric().equals(metric) && value.isShare());
        if (!json.isObject() || !isShare) {
            return Optional.empty();
        }
        List<Integer> lengths = new ArrayList<>();
        json.path("lengths").forEach(length -> lengths.add(length.asInt()));
        List<String> titles = new ArrayList<>();
        json.path("titles").forEach(title -> titles.add(title.asText()));
        List<List<RecallGrid.Cell>> cells = new ArrayList<>();
        for (JsonNode row : json.path("cells")) {
            List<RecallGrid.Cell> line = new ArrayList<>();
            row.forEach(
                    cell ->
                            line.add(
                                    new RecallGrid.Cell(
                                            cell.path("value").asDouble(Double.NaN),
                                            cell.path("n").asInt(0))));
            cells.add(line);
        }
        return Optional.of(
                new RecallGrid(metric, json.path("columns").asText(), lengths, titles, cells));
    }

    /** Accuracy over the facts that are so many tokens away or more, a picture a task. */
    String distances() throws IOException {
        StringBuilder html = new StringBuilder();
        for (TaskNumbers task : columns.all()) {
            LineChart chart =
                    new LineChart(
                                    task.alias() + ": facts that are far away",
                                    "tokens from the fact to the answer, at least",
                                    "accuracy",
                                    false)
                            .ofShares();
            boolean hasFar = false;
            for (int i = 0; i < columns.models().size(); i++) {
                Measured model = columns.models().get(i);
                List<LineChart.Point> points =
                        model.task(task.task()).map(RecallSection::points).orElse(List.of());
                hasFar |= points.size() > 1;
                chart.add(i, model.name(), points);
            }
            if (hasFar) {
                html.append(chart.figure());
            }
        }
        return html.toString();
    }

    private static List<LineChart.Point> points(TaskNumbers task) {
        List<LineChart.Point> points = new ArrayList<>();
        for (TaskNumbers.Value value : task.values()) {
            Matcher beyond = BEYOND.matcher(value.metric());
            if (beyond.matches() || value.metric().equals("acc")) {
                double distance = beyond.matches() ? Double.parseDouble(beyond.group(1)) : 0;
                points.add(new LineChart.Point(distance, value.value(), value.error().orElse(0)));
            }
        }
        points.sort((a, b) -> Double.compare(a.x(), b.x()));
        return points;
    }
}
