package dev.tegu.eval;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A table of words, rendered as text or Markdown. Words stand at the left, numbers at the right.
 *
 * @param header titles of the columns
 * @param leftColumns how many of the first columns hold words
 * @param rows cells, each row as long as the header
 */
public record ReportTable(List<String> header, int leftColumns, List<List<String>> rows) {

    /** Lines of equal columns, two spaces between them, each line ended by a newline. */
    public String text() {
        int[] widths = widths(header, rows);
        List<String> lines = new ArrayList<>();
        lines.add(line(header, widths, "  "));
        lines.add(IntStream.of(widths).mapToObj("-"::repeat).collect(Collectors.joining("  ")));
        rows.forEach(row -> lines.add(line(row, widths, "  ")));
        return lines.stream()
                .map(line -> line.stripTrailing() + "\n")
                .collect(Collectors.joining());
    }

    /** A Markdown table; bars in cells are escaped. */
    String markdown() {
        List<String> titles = escaped(header);
        List<List<String>> cells = rows.stream().map(ReportTable::escaped).toList();
        int[] widths = widths(titles, cells);
        List<String> rule = new ArrayList<>();
        for (int i = 0; i < widths.length; i++) {
            rule.add(
                    i < leftColumns
                            ? "-".repeat(widths[i])
                            : "-".repeat(Math.max(1, widths[i] - 1)) + ":");
        }
        List<String> lines = new ArrayList<>();
        lines.add(line(titles, widths, " | "));
        lines.add(String.join(" | ", rule));
        cells.forEach(row -> lines.add(line(row, widths, " | ")));
        return lines.stream().map(line -> "| " + line + " |\n").collect(Collectors.joining());
    }

    private String line(List<String> cells, int[] widths, String separator) {
        List<String> padded = new ArrayList<>();
        for (int i = 0; i < widths.length; i++) {
            String space = " ".repeat(widths[i] - cells.get(i).length());
            padded.add(i < leftColumns ? cells.get(i) + space : space + cells.get(i));
        }
        return String.join(separator, padded);
    }

    private static int[] widths(List<String> header, List<List<String>> rows) {
        int[] widths = header.stream().mapToInt(String::length).toArray();
        for (List<String> row : rows) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row.get(i).length());
            }
        }
        return widths;
    }

    private static List<String> escaped(List<String> cells) {
        return cells.stream().map(cell -> cell.replace("|", "\\|")).toList();
    }
}
