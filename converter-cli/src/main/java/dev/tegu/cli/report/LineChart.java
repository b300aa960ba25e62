package dev.tegu.cli.report;

import java.awt.BasicStroke;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;

/** Numbers against a number, a line a model. */
final class LineChart extends Picture {
    private static final int HEIGHT = 340;
    private static final int NARROW_HEIGHT = 290;

    /** Longer lines stand in the words with their ends only. */
    private static final int MOST_IN_WORDS = 24;

    /** An axis of powers of ten needs two of them to be read. */
    private static final double DECADES = 100;

    /** A part of the axis that no one sees. */
    private static final double UNEVEN = 1e-6;

    private static final int PIXELS_A_NUMBER = 60;
    private static final int MOST_NUMBERS = 20;

    private final String title;
    private final String xTitle;
    private final String yTitle;
    private final boolean logarithmicX;
    private final List<Line> lines = new ArrayList<>();
    private boolean share;
    private boolean logarithmicY;

    private record Line(int model, String name, List<Point> points) {}

    /**
     * @param error standard error, 0 where there is none to draw
     */
    record Point(double x, double y, double error) {
        Point(double x, double y) {
            this(x, y, 0);
        }
    }

    /**
     * @param logarithmicX whether x are powers: 0 stands at a half then
     */
    LineChart(String title, String xTitle, String yTitle, boolean logarithmicX) {
        this.title = title;
        this.xTitle = xTitle;
        this.yTitle = yTitle;
        this.logarithmicX = logarithmicX;
    }

    /** This with an axis from 0 to 1. */
    LineChart ofShares() {
        share = true;
        return this;
    }

    /** This with a logarithmic axis for the values, where they spread over two powers of ten. */
    LineChart ofPowers() {
        logarithmicY = true;
        return this;
    }

    /**
     * @param model its place in the legend
     * @param points with finite values; a line of none is not drawn
     */
    void add(int model, String name, List<Point> points) {
        List<Point> finite = points.stream().filter(p -> Double.isFinite(p.y())).toList();
        if (!finite.isEmpty()) {
            lines.add(new Line(model, name, finite));
        }
    }

    boolean isEmpty() {
        return lines.isEmpty();
    }

    @Override
    String alternative() {
        List<String> all = new ArrayList<>();
        for (Line line : lines) {
            List<String> points = new ArrayList<>();
            int count = line.points().size();
            for (int i = 0; i < count; i++) {
                if (count <= MOST_IN_WORDS || i == 0 || i == count - 1) {
                    Point point = line.points().get(i);
                    points.add(Words.small(point.y()) + " at " + Words.whole(point.x()));
                }
            }
            all.add(line.name() + " " + String.join(", ", points));
        }
        String axis = hasPowers() ? ", logarithmic" : "";
        return title + ", " + yTitle + axis + " by " + xTitle + ": " + String.join("; ", all);
    }

    private boolean hasPowers() {
        if (!logarithmicY) {
            return false;
        }
        double smallest = Double.POSITIVE_INFINITY;
        double largest = 0;
        for (Line line : lines) {
            for (Point point : line.points()) {
                smallest = Math.min(smallest, point.y());
                largest = Math.max(largest, point.y());
            }
        }
        return smallest > 0 && largest >= DECADES * smallest;
    }

    private double span() {
        double from = Double.POSITIVE_INFINITY;
        double to = Double.NEGATIVE_INFINITY;
        for (Line line : lines) {
            for (Point point : line.points()) {
                from = Math.min(from, point.x());
                to = Math.max(to, point.x());
            }
        }
        return to - from;
    }

    @Override
    XYChart chart(int width) {
        int height = width > NARROW ? HEIGHT : NARROW_HEIGHT;
        XYChart chart = empty(width, height, title, xTitle, yTitle);
        chart.getStyler().setXAxisLogarithmic(logarithmicX);
        if (!logarithmicX) {
            // no numbers between whole ones
            int whole = (int) Math.min(MOST_NUMBERS, span()) + 1;
            chart.getStyler().setXAxisMaxLabelCount(Math.min(width / PIXELS_A_NUMBER, whole));
        }
        chart.getStyler().setYAxisLogarithmic(hasPowers());
        if (share) {
            chart.getStyler().setYAxisMin(0.0);
            chart.getStyler().setYAxisMax(1.0);
        }
        for (int i = 0; i < lines.size(); i++) {
            Line line = lines.get(i);
            int count = line.points().size();
            double[] x = new double[count];
            double[] y = new double[count];
            double[] errors = new double[count];
            for (int j = 0; j < count; j++) {
                Point point = line.points().get(j);
                x[j] = logarithmicX ? Math.max(0.5, point.x()) : point.x();
                y[j] = point.y();
                errors[j] = point.error();
            }
            if (!logarithmicX) {
                // XChart labels evenly spaced numbers one by one, too close to read
                x[count - 1] += UNEVEN;
            }
            String name = String.format(Locale.ROOT, "%d %s", i, line.name());
            boolean hasErrors = line.points().stream().anyMatch(p -> p.error() > 0);
            XYSeries series =
                    hasErrors ? chart.addSeries(name, x, y, errors) : chart.addSeries(name, x, y);
            series.setLineColor(Palette.colour(line.model()));
            series.setMarkerColor(Palette.colour(line.model()));
            series.setMarker(Palette.marker(line.model()));
            series.setLineStyle(new BasicStroke(1.6f));
        }
        return chart;
    }
}
