package dev.tegu.cli.report;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * Shares from 0 to 1: a row a task, in it a mark and an interval a model, and what guessing gets.
 */
final class DotChart extends Picture {
    private static final int LINE = 12;
    private static final int NAME = 16;
    private static final int BETWEEN = 8;
    private static final int AROUND = 76;

    /** Of plots lower than its spacing of numbers XChart does not tell where a value is. */
    private static final int LOWEST = 190;

    private static final Color GUESSING = new Color(0x6b7280);
    private static final BasicStroke DASHED =
            new BasicStroke(
                    1.4f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_MITER, 10, new float[] {4, 3}, 0);

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
        int height = rowHeight();
        XYChart chart =
                empty(width, Math.max(LOWEST, AROUND + height * rows.size()), title, "", "");
        chart.getStyler().setXAxisMin(0.0);
        chart.getStyler().setXAxisMax(1.0);
        chart.getStyler().setYAxisMin(0.0);
        chart.getStyler().setYAxisMax((double) rows.size() * height);
        chart.getStyler().setYAxisTicksVisible(false);
        chart.getStyler().setPlotGridHorizontalLinesVisible(false);
        for (int i = 0; i < rows.size(); i++) {
            appendRow(chart, i, rows.get(i));
        }
        return chart;
    }

    private int rowHeight() {
        return NAME
                + BETWEEN
                + LINE * rows.stream().mapToInt(row -> row.dots().size()).max().orElse(1);
    }

    /** Where a row begins, in units of the vertical axis, which are about pixels. */
    private double top(int row) {
        return (double) (rows.size() - row) * rowHeight();
    }

    private void appendRow(XYChart chart, int index, Row row) {
        double first = top(index) - NAME - LINE / 2.0;
        if (row.chance().isPresent()) {
            double at = row.chance().getAsDouble();
            line(
                    chart,
                    "chance " + index,
                    new double[] {at, at},
                    new double[] {first + LINE, first - LINE * row.dots().size()},
                    GUESSING,
                    DASHED);
        }
        for (int j = 0; j < row.dots().size(); j++) {
            Dot dot = row.dots().get(j);
            double y = first - (double) LINE * j;
            Color colour = Palette.colour(dot.model());
            line(
                    chart,
                    "interval " + index + " " + j,
                    new double[] {dot.low(), dot.high()},
                    new double[] {y, y},
                    colour,
                    new BasicStroke(1.6f));
            XYSeries mark =
                    chart.addSeries(
                            "value " + index + " " + j,
                            new double[] {dot.value()},
                            new double[] {y});
            mark.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
            mark.setMarker(Palette.marker(dot.model()));
            mark.setMarkerColor(colour);
        }
    }

    /** The tasks' names above their rows, where narrow pictures have room for them, too. */
    @Override
    void paintOver(Graphics2D graphics, XYChart chart) {
        graphics.setColor(TEXT);
        graphics.setFont(new Font(Font.SANS_SERIF, Font.BOLD, 12));
        for (int i = 0; i < rows.size(); i++) {
            graphics.drawString(
                    rows.get(i).name(),
                    (float) chart.getScreenXFromChart(0),
                    (float) chart.getScreenYFromChart(top(i) - NAME + 4));
        }
    }

    private static void line(
            XYChart chart, String name, double[] x, double[] y, Color colour, BasicStroke stroke) {
        XYSeries line = chart.addSeries(name, x, y);
        line.setMarker(SeriesMarkers.NONE);
        line.setLineColor(colour);
        line.setLineStyle(stroke);
    }
}
