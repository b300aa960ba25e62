package dev.tegu.cli.watch;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Pieces of a page. */
public final class Html {
    private Html() {}

    /** Text as it may stand between tags and in quoted attributes. */
    public static String escaped(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;")
                .replace("'", "&#39;");
    }

    /** Four significant digits; a dash where there is no number. */
    public static String number(double value) {
        if (Double.isNaN(value)) {
            return "-";
        }
        return Double.isInfinite(value)
                ? (value > 0 ? "∞" : "-∞")
                : String.format(Locale.ROOT, "%.4g", value);
    }

    /**
     * A table that is scrolled where it is wider than the page.
     *
     * @param rows plain text, the first cell of each names the row
     */
    public static String table(List<String> header, List<List<String>> rows) {
        StringBuilder html = new StringBuilder("<div class=\"scroll\"><table>\n<thead>");
        html.append(row(header, "th scope=\"col\"", "th")).append("</thead>\n<tbody>\n");
        for (List<String> row : rows) {
            html.append("<tr><th scope=\"row\">").append(escaped(row.get(0))).append("</th>");
            html.append(
                    row.subList(1, row.size()).stream()
                            .map(cell -> "<td>" + escaped(cell) + "</td>")
                            .collect(Collectors.joining()));
            html.append("</tr>\n");
        }
        return html.append("</tbody></table></div>\n").toString();
    }

    private static String row(List<String> cells, String open, String close) {
        return cells.stream()
                .map(cell -> "<" + open + ">" + escaped(cell) + "</" + close + ">")
                .collect(Collectors.joining("", "<tr>", "</tr>"));
    }
}
