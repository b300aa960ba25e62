package dev.tegu.cli.picture;

import dev.tegu.attention.TokenView;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * A grid of queries (rows) and keys (columns), each cell coloured by the branches in which the
 * query sees the key.
 */
final class TokenGrid {
    private static final int CELL = 16;
    private static final int LEFT = 44;
    private static final int TOP = 66;
    private static final int LINE = 18;
    private static final int LEGEND = 190;

    /** How a query sees a key. */
    private enum Sight {
        WINDOW("softmax window", "#3f78b5"),
        LINEAR("linear branch", "#f3c583"),
        BOTH("both branches", "#8d5f9e"),
        NOTHING("earlier, not seen", "#eceff2"),
        LATER("later", "#ffffff");

        private final String words;
        private final String colour;

        Sight(String words, String colour) {
            this.words = words;
            this.colour = colour;
        }
    }

    private final TokenView view;
    private final int tokens;

    /**
     * @param tokens length of the row of tokens that {@code view} is of
     */
    TokenGrid(TokenView view, int tokens) {
        this.view = view;
        this.tokens = tokens;
    }

    /**
     * @param title plain text
     * @param caption lines below the grid, plain text
     */
    String svg(String title, List<String> caption) {
        int side = tokens * CELL;
        int width = LEFT + side + LEGEND;
        int height = TOP + side + LINE * caption.size() + 20;
        StringBuilder svg = new StringBuilder();
        svg.append("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" ")
                .append(String.format(Locale.ROOT, "width=\"%d\" height=\"%d\" ", width, height))
                .append(String.format(Locale.ROOT, "viewBox=\"0 0 %d %d\" ", width, height))
                .append("font-family=\"sans-serif\" font-size=\"12\" fill=\"#333333\">\n")
                .append("<title>" + escaped(title) + "</title>\n")
                .append(rectangle(0, 0, width, height, "#ffffff", ""));
        svg.append(text(LEFT, 22, "font-size=\"15\" font-weight=\"bold\"", title));
        svg.append(text(LEFT, TOP - 8, "", "key"));
        svg.append(text(6, TOP + 12, "", "query"));
        Set<Sight> shown = EnumSet.noneOf(Sight.class);
        for (int i = 0; i < tokens; i++) {
            appendRow(svg, i, shown);
        }
        appendLegend(svg, LEFT + side + 20, shown);
        for (int i = 0; i < caption.size(); i++) {
            svg.append(text(LEFT, TOP + side + LINE * (i + 1), "", caption.get(i)));
        }
        return svg.append("</svg>\n").toString();
    }

    private void appendRow(StringBuilder svg, int query, Set<Sight> shown) {
        for (int key = 0; key < tokens; key++) {
            Sight sight = sight(query, key);
            if (sight != Sight.LATER) {
                shown.add(sight);
                svg.append(
                        rectangle(
                                LEFT + key * CELL,
                                TOP + query * CELL,
                                CELL,
                                CELL,
                                sight.colour,
                                " stroke=\"#ffffff\""));
            }
        }
    }

    private Sight sight(int query, int key) {
        if (key > query) {
            return Sight.LATER;
        }
        boolean window = view.inWindow(query, key);
        boolean linear = view.inLinear(query, key);
        if (window && linear) {
            return Sight.BOTH;
        }
        if (window) {
            return Sight.WINDOW;
        }
        return linear ? Sight.LINEAR : Sight.NOTHING;
    }

    private static void appendLegend(StringBuilder svg, int left, Set<Sight> shown) {
        int top = TOP;
        for (Sight sight : shown) {
            svg.append(rectangle(left, top, 12, 12, sight.colour, ""));
            svg.append(text(left + 20, top + 11, "", sight.words));
            top += 22;
        }
    }

    private static String rectangle(
            int x, int y, int width, int height, String colour, String attributes) {
        return String.format(
                Locale.ROOT,
                "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"%s/>\n",
                x,
                y,
                width,
                height,
                colour,
                attributes);
    }

    private static String text(int x, int y, String attributes, String words) {
        String more = attributes.isEmpty() ? "" : " " + attributes;
        return String.format(
                Locale.ROOT, "<text x=\"%d\" y=\"%d\"%s>%s</text>\n", x, y, more, escaped(words));
    }

    private static String escaped(String words) {
        return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }
}
