package dev.tegu.cli.watch;

import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * Curves over the steps of a stage. The vertical axis is logarithmic where the values are positive
 * and the largest is a hundred times the smallest or more, so that it has marks to read. What is
 * not finite is left out.
 */
final class CurveChart {
    private static final double LOGARITHMIC_FROM = 100;

    /** Pixels that a name in the legend, or a number of steps, takes. */
    private static final int NAME = 110;

    private static final int NUMBER = 60;

    /** A part of a step that no one sees. */
    private static final double UNEVEN = 1e-3;

    private static final int MARKED_POINTS = 2;
    private static final Color TEXT = new Color(0x222222);

    private final String title;
    private final String unit;
    private final List<Series> series = new ArrayList<>();

    private record Series(String name, double[] steps, double[] values, Color colour) {}

    /**
     * @param unit words beside the vertical axis
     */
    CurveChart(String title, String unit) {
        this.title = title;
        this.unit = unit;
    }

    /**
     * @param values one a step; a curve without a finite value is not drawn
     */
    void add(String name, List<Long> steps, List<Double> values, Color colour) {
        List<Double> x = new ArrayList<>();
        List<Double> y = new ArrayList<>();
        for (int i = 0; i < values.size(); i++) {
            if (Double.isFinite(values.get(i))) {
                x.add((double) steps.get(i));
                y.add(values.get(i));
            }
        }
        if (!y.isEmpty()) {
            series.add(new Series(name, array(x), array(y), colour));
        }
    }

    private static double[] array(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).toArray();
    }

    boolean isEmpty() {
        return series.isEmpty();
    }

    /** {@code loss, logarithmic: train 0.5 (step 1) to 0.1 (step 9)}: the picture in words. */
    String alternative() {
        List<String> curves = new ArrayList<>();
        for (Series s : series) {
            int last = s.values().length - 1;
            curves.add(
                    (s.name() + " " + Html.number(s.values()[0]) + " (step " + (long) s.steps()[0])
                            + (") to " + Html.number(s.values()[last]))
                            + (" (step " + (long) s.steps()[last] + ")"));
        }
        String axis = isLogarithmic() ? ", logarithmic" : "";
        return title + ", " + unit + axis + ": " + String.join("; ", curves);
    }

    private boolean isLogarithmic() {
        double smallest = Double.POSITIVE_INFINITY;
        double largest = Double.NEGATIVE_INFINITY;
        for (Series s : series) {
            for (double value : s.values()) {
                smallest = Math.min(smallest, value);
                largest = Math.max(largest, value);
            }
        }
        return smallest > 0 && largest >= LOGARITHMIC_FROM * smallest;
    }

    /**
     * A PNG as a data URI.
     *
     * @param width in pixels of the page
     */
    String dataUri(int width, int height) throws IOException {
        return ChartPng.dataUri(() -> chart(width, height), (graphics, chart) -> {});
    }

    private XYChart chart(int width, int height) {
        XYChart chart =
                new XYChartBuilder()
                        .width(width)
                        .height(height)
                        .title(title)
                        .xAxisTitle("step")
                        .yAxisTitle(unit)
                        .build();
        chart.getStyler().setXAxisMaxLabelCount(width / NUMBER);
        chart.getStyler().setYAxisLogarithmic(isLogarithmic());
        chart.getStyler().setLegendPosition(LegendPosition.OutsideS);
        chart.getStyler().setLegendLayout(LegendLayout.Horizontal);
        chart.getStyler().setLegendBorderColor(Color.WHITE);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setPlotBackgroundColor(Color.WHITE);
        chart.getStyler().setChartFontColor(TEXT);
        chart.getStyler().setAxisTickLabelsColor(TEXT);
        // as many names as there is room for
        int room = width / NAME;
        int every = (series.size() - 1) / room + 1;
        for (int i = 0; i < series.size(); i++) {
            Series s = series.get(i);
            // XChart labels evenly spaced steps one by one, too close to read; others at round
            // numbers
            double[] steps = s.steps().clone();
            steps[steps.length - 1] += UNEVEN;
            var line = chart.addSeries(s.name(), steps, s.values());
            line.setLineColor(s.colour());
            line.setMarkerColor(s.colour());
            line.setLineStyle(new BasicStroke(1.6f));
            // a curve of a point or two would hardly be seen
            line.setMarker(
                    s.steps().length <= MARKED_POINTS ? SeriesMarkers.CIRCLE : SeriesMarkers.NONE);
            line.setShowInLegend(i % every == 0);
        }
        return chart;
    }
}
