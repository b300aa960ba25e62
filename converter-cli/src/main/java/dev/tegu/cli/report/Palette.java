package dev.tegu.cli.report;

import dev.tegu.cli.watch.Html;
import java.awt.Color;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * Colours and shapes of models, so that none is told by its colour alone. The colours are Okabe and
 * Ito's, which people with any kind of colour blindness tell apart, the yellow darkened for a white
 * ground.
 */
final class Palette {
    private static final int[] COLOURS = {
        0x000000, 0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0x56b4e9, 0xb98900, 0x8a8a00
    };

    /** A shape in XChart, and the same in SVG, in a box from 0 to 12. */
    private record Shape(Marker marker, String svg) {}

    private static final List<Shape> SHAPES =
            List.of(
                    new Shape(SeriesMarkers.CIRCLE, "<circle cx=\"6\" cy=\"6\" r=\"5\"/>"),
                    new Shape(
                            SeriesMarkers.SQUARE,
                            "<rect x=\"1.5\" y=\"1.5\" width=\"9\" height=\"9\"/>"),
                    new Shape(SeriesMarkers.TRIANGLE_UP, "<path d=\"M6 1 11 11H1Z\"/>"),
                    new Shape(SeriesMarkers.DIAMOND, "<path d=\"M6 0 12 6 6 12 0 6Z\"/>"),
                    new Shape(SeriesMarkers.TRIANGLE_DOWN, "<path d=\"M6 11 11 1H1Z\"/>"));

    private Palette() {}

    static Color colour(int index) {
        return new Color(COLOURS[index % COLOURS.length]);
    }

    static Marker marker(int index) {
        return SHAPES.get(index % SHAPES.size()).marker();
    }

    /** Names with their colours and shapes. */
    static String legend(List<String> names) {
        Map<Integer, String> all = new LinkedHashMap<>();
        names.forEach(name -> all.put(all.size(), name));
        return legend(all);
    }

    /**
     * @param names by their place
     */
    static String legend(Map<Integer, String> names) {
        StringBuilder html = new StringBuilder("<ul class=\"legend\">");
        names.forEach(
                (place, name) ->
                        html.append(
                                String.format(
                                        Locale.ROOT,
                                        "<li><svg viewBox=\"0 0 12 12\" aria-hidden=\"true\""
                                                + " fill=\"#%06x\">%s</svg>%s</li>",
                                        colour(place).getRGB() & 0xffffff,
                                        SHAPES.get(place % SHAPES.size()).svg(),
                                        Html.escaped(name))));
        return html.append("</ul>\n").toString();
    }
}
