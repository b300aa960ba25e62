package dev.tegu.cli.watch;

import dev.tegu.eval.RecallGrid;
import java.util.List;
import java.util.Locale;

/** A recall grid as SVG: lengths from top to bottom, depths or pairs from left to right. */
public final class RecallHeatMap {
    private static final int LEFT = 92;
    private static final int TOP = 44;
    private static final int ROW = 26;
    private static final int BELOW = 12;
    private static final int WIDEST = 76;
    private static final String MISSING = "#d5d8dc";

    private RecallHeatMap() {}

    /**
     * The picture. A cell is as dark as its value is low, with the value in it in hundredths; grey
     * where there is no item.
     *
     * @param title what stands above, plain text
     * @param grid values from 0 to 1
     * @param width of the picture in pixels; cells are narrower where it is not used up
     * @param kind class of the element
     */
    public static String svg(String title, RecallGrid grid, int width, String kind) {
        int columns = grid.columns().size();
        double cell = Math.min(WIDEST, (double) (width - LEFT - 8) / columns);
        int height = TOP + ROW * grid.lengths().size() + BELOW;
        StringBuilder svg = new StringBuilder();
        svg.append(
                String.format(
                        Locale.ROOT,
                        "<svg class=\"%s\" role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %d %d\""
                                + " font-size=\"12\" fill=\"#222222\">\n",
                        Html.escaped(kind),
                        Html.escaped(alternative(title, grid)),
                        width,
                        height));
        svg.append(text(0, 14, "start", "#222222", title));
        svg.append(text(0, TOP - 8, "start", "#222222", "length \\ " + grid.columnTag()));
        for (int column = 0; column < columns; column++) {
            String name = grid.columns().get(column);
            svg.append(text(LEFT + (column + 0.5) * cell, TOP - 8, "middle", "#222222", name));
        }
        for (int row = 0; row < grid.lengths().size(); row++) {
            int top = TOP + row * ROW;
            String length = String.valueOf(grid.lengths().get(row));
            svg.append(text(LEFT - 8, top + 17, "end", "#222222", length));
            List<RecallGrid.Cell> cells = grid.cells().get(row);
            for (int column = 0; column < columns; column++) {
                appendCell(svg, cells.get(column), LEFT + column * cell, top, cell);
            }
        }
        return svg.append("</svg>\n").toString();
    }

    private static String alternative(String title, RecallGrid grid) {
        return title
                + ": "
                + grid.metric()
                + " by length ("
                + grid.lengths().size()
                + ") and "
                + grid.columnTag()
                + " ("
                + grid.columns().size()
                + ")";
    }

    private static void appendCell(
            StringBuilder svg, RecallGrid.Cell cell, double x, int top, double width) {
        boolean isThere = cell.n() > 0;
        double place = isThere ? 1 - Math.max(0, Math.min(1, cell.value())) : 0;
        String colour =
                isThere
                        ? String.format(
                                Locale.ROOT, "#%06x", ColourScale.at(place).getRGB() & 0xffffff)
                        : MISSING;
        svg.append(
                String.format(
                        Locale.ROOT,
                        "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\">"
                                + "<title>%s</title></rect>\n",
                        x,
                        top,
                        width - 1,
                        ROW - 1,
                        colour,
                        isThere
                                ? String.format(Locale.ROOT, "%.4f of %d", cell.value(), cell.n())
                                : "none"));
        if (isThere) {
            String ink = place > 0.5 ? "#ffffff" : "#222222";
            String value = String.format(Locale.ROOT, "%.2f", cell.value());
            svg.append(text(x + (width - 1) / 2, top + 17, "middle", ink, value));
        }
    }

    private static String text(double x, double y, String anchor, String ink, String words) {
        return String.format(
                Locale.ROOT,
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n",
                x,
                y,
                anchor,
                ink,
                Html.escaped(words));
    }
}
