package dev.tegu.cli.report;

import java.awt.BasicStroke;
import java.awt.Color;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Shares from 0 to 1: a row a task, in it a mark and an interval a model, and what guessing gets. */
final class DotChart extends Picture {
    private static final int LINE = 11;
    private static final int BETWEEN = 14;
    private static final int AROUND = 76;
    private static final int LONGEST_NAME = 17;
    private static final Color GUESSING = new Color(0x6b7280);

    private final String title;
    private final List<Row> rows;

    /**
     * One model's number.
     *
     * @param model its place in the legend
     * @param low end of the interval, as large as the value where there is none
     */
    record Dot(int model, String name, double value, double low, double high) {}

    /**
     * @param chance what guessing gets, where that is known
     */
    record Row(String name, List<Dot> dots, OptionalDouble chance) {}

    DotChart(String title, List<Row> rows) {
        this.title = title;
        this.rows = List.copyOf(rows);
    }

    @Override
    String alternative() {
        List<String> all = new ArrayList<>();
        for (Row row : rows) {
            List<String> dots = new ArrayList<>();
            row.dots()
                    .forEach(
                            dot ->
                                    dots.add(
                                            dot.name()
                                                    + " "
                                                    + Words.value(dot.value())
                                                    + (dot.low() < dot.high()
                                                            ? " ("
                                                                    + Words.value(dot.low())
                                                                    + " to "
                                                                    + Words.value(dot.high())
                                                                    + ")"
                                                            : "")));
            row.chance().ifPresent(share -> dots.add("guessing " + Words.value(share)));
            all.add(row.name() + ": " + String.join(", ", dots));
        }
        return title + ". " + String.join("; ", all);
    }

    @Override
    XYChart chart(int width) {
        int models = rows.stream().mapToInt(row -> row.dots().size()).max().orElse(1);
        int rowHeight = BETWEEN + LINE * models;
        XYChart chart = empty(width, AROUND + rowHeight * rows.size(), title, "", "");
        chart.getStyler().setXAxisMin(0.0);
        chart.getStyler().setXAxisMax(1.0);
        chart.getStyler().setYAxisMin(-0.5);
        chart.getStyler().setYAxisMax(rows.size() - 0.5);
        // a little less than a row: the next round number is 1
        chart.getStyler().setYAxisTickMarkSpacingHint((int) (rowHeight * 0.8));
        chart.getStyler().setYAxisTickLabelsFormattingFunction(y -> name(y, width));
        for (int i = 0; i < rows.size(); i++) {
            double middle = rows.size() - 1.0 - i;
            Row row = rows.get(i);
            if (row.chance().isPresent()) {
                double at = row.chance().getAsDouble();
                line(
                        chart,
                        "chance " + i,
                        new double[] {at, at},
                        new double[] {middle - 0.42, middle + 0.42},
                        GUESSING,
                        new BasicStroke(
                                1.4f,
                                BasicStroke.CAP_BUTT,
                                BasicStroke.JOIN_MITER,
                                10,
                                new float[] {4, 3},
                                0));
            }
            double step = (double) LINE / rowHeight;
            for (int j = 0; j < row.dots().size(); j++) {
                Dot dot = row.dots().get(j);
                double y = middle + ((row.dots().size() - 1) / 2.0 - j) * step;
                Color colour = Palette.colour(dot.model());
                line(
                        chart,
                        "interval " + i + " " + j,
                        new double[] {dot.low(), dot.high()},
                        new double[] {y, y},
                        colour,
                        new BasicStroke(1.6f));
                XYSeries mark =
                        chart.addSeries(
                                "value " + i + " " + j,
                                new double[] {dot.value()},
                                new double[] {y});
                mark.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
                mark.setMarker(Palette.marker(dot.model()));
                mark.setMarkerColor(colour);
            }
        }
        return chart;
    }

    private static void line(
            XYChart chart, String name, double[] x, double[] y, Color colour, BasicStroke stroke) {
        XYSeries line = chart.addSeries(name, x, y);
        line.setMarker(SeriesMarkers.NONE);
        line.setLineColor(colour);
        line.setLineStyle(stroke);
    }

    private String name(double y, int width) {
        int row = (int) Math.round(rows.size() - 1 - y);
        if (Math.abs(y - Math.rint(y)) > 1e-6 || row < 0 || row >= rows.size()) {
            return " ";
        }
        String name = rows.get(row).name();
        return width > NARROW || name.length() <= LONGEST_NAME
                ? name
                : name.substring(0, LONGEST_NAME - 1) + "…";
    }
}
