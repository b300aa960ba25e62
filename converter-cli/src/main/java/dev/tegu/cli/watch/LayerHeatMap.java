package dev.tegu.cli.watch;

import dev.tegu.cli.watch.RunMetrics.Point;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The relative error of every layer (rows) at every reported step (columns), as SVG. Where there
 * are more steps than columns, every n-th is shown, and the last.
 */
final class LayerHeatMap {
    private static final int LEFT = 74;
    private static final int RIGHT = 8;
    private static final int TOP = 30;
    private static final int BELOW = 96;
    private static final int LINE = 15;
    private static final String MISSING = "#d5d8dc";

    private final List<String> layers;
    private final List<Point> points;
    private final ColourScale scale;

    private LayerHeatMap(List<String> layers, List<Point> points, ColourScale scale) {
        this.layers = layers;
        this.points = points;
        this.scale = scale;
    }

    /**
     * @param layers names of parts that have relative errors; those of {@code points} set the scale
     * @throws IllegalArgumentException if there is no positive finite error
     */
    static LayerHeatMap of(List<String> layers, List<Point> points) {
        double smallest = Double.POSITIVE_INFINITY;
        double largest = 0;
        for (Point point : points) {
            for (String layer : layers) {
                double value = value(point, layer);
                if (isShown(value)) {
                    smallest = Math.min(smallest, value);
                    largest = Math.max(largest, value);
                }
            }
        }
        if (largest == 0) {
            throw new IllegalArgumentException("no relative error above 0");
        }
        return new LayerHeatMap(layers, points, new ColourScale(smallest, largest));
    }

    /** Whether a value has a colour; zero has no logarithm. */
    static boolean isShown(double value) {
        return value > 0 && Double.isFinite(value);
    }

    private static double value(Point point, String layer) {
        RunMetrics.Part part = point.parts().get(layer);
        return part == null ? Double.NaN : part.relative();
    }

    /** The picture in words. */
    String alternative() {
        return String.format(
                Locale.ROOT,
                "Relative error of %d layers over the steps, from %s (pale) to %s (dark)",
                layers.size(),
                Html.number(scale.smallest()),
                Html.number(scale.largest()));
    }

    /**
     * @param width of the picture, in pixels
     * @param kind class of the element
     */
    String svg(int width, String kind) {
        List<Point> shown = shown(Math.max(1, (width - LEFT - RIGHT) / 8));
        int rowHeight = Math.max(6, Math.min(22, 420 / layers.size()));
        double columnWidth = (double) (width - LEFT - RIGHT) / shown.size();
        int bottom = TOP + layers.size() * rowHeight;
        StringBuilder svg = new StringBuilder();
        svg.append(
                String.format(
                        Locale.ROOT,
                        "<svg class=\"%s\" role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %d %d\""
                                + " font-size=\"12\" fill=\"#222222\">\n",
                        kind,
                        Html.escaped(alternative()),
                        width,
                        bottom + BELOW));
        svg.append(text(LEFT, TOP - 10, "start", "Relative error, layer by step"));
        int every = (layers.size() * LINE - 1) / (layers.size() * rowHeight) + 1;
        for (int row = 0; row < layers.size(); row++) {
            int top = TOP + row * rowHeight;
            if (row % every == 0) {
                svg.append(text(LEFT - 6, top + rowHeight / 2 + 4, "end", layers.get(row)));
            }
            for (int column = 0; column < shown.size(); column++) {
                double value = value(shown.get(column), layers.get(row));
                svg.append(
                        rectangle(
                                LEFT + column * columnWidth,
                                top,
                                columnWidth,
                                rowHeight,
                                isShown(value) ? scale.colour(value) : MISSING));
            }
        }
        appendSteps(svg, shown, columnWidth, bottom + LINE);
        appendLegend(svg, width, bottom + 44);
        return svg.append("</svg>\n").toString();
    }

    private List<Point> shown(int columns) {
        int every = (points.size() - 1) / columns + 1;
        List<Point> shown = new ArrayList<>();
        for (int i = points.size() - 1; i >= 0; i -= every) {
            shown.add(0, points.get(i));
        }
        return shown;
    }

    private static void appendSteps(
            StringBuilder svg, List<Point> shown, double columnWidth, int y) {
        String first = "step " + shown.get(0).step();
        svg.append(text(LEFT, y, "start", first));
        if (shown.size() > 1) {
            String last = "step " + shown.get(shown.size() - 1).step();
            svg.append(text(LEFT + shown.size() * columnWidth, y, "end", last));
        }
    }

    private void appendLegend(StringBuilder svg, int width, int top) {
        int length = Math.min(420, width - LEFT - RIGHT - 20);
        int pieces = 60;
        for (int i = 0; i < pieces; i++) {
            var colour = ColourScale.at((i + 0.5) / pieces);
            svg.append(
                    rectangle(
                            LEFT + (double) i * length / pieces,
                            top,
                            (double) length / pieces,
                            12,
                            String.format(Locale.ROOT, "#%06x", colour.getRGB() & 0xffffff)));
        }
        for (double mark : scale.marks()) {
            double x = LEFT + scale.place(mark) * length;
            svg.append(rectangle(x - 0.5, top + 12, 1, 4, "#222222"));
            svg.append(text(x, top + 29, "middle", String.format(Locale.ROOT, "%.3g", mark)));
        }
        svg.append(text(LEFT, top + 46, "start", "logarithmic; grey: zero or not finite"));
    }

    private static String rectangle(
            double x, double y, double width, double height, String colour) {
        return String.format(
                Locale.ROOT,
                "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"/>\n",
                x,
                y,
                // closes the seams that antialiasing leaves between neighbours
                width + 0.3,
                height + 0.3,
                colour);
    }

    private static String text(double x, double y, String anchor, String words) {
        return String.format(
                Locale.ROOT,
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
                x,
                y,
                anchor,
                Html.escaped(words));
    }
}
