package dev.tegu.eval;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * A metric by length and by depth (or by number of pairs): what a heat map shows.
 *
 * @param metric name of the metric
 * @param columnTag what the columns are: {@code depth}, {@code pairs}, or {@code all} where there
 *     is one column
 * @param lengths tokens of each row, rising
 * @param columns titles of the columns, in order
 * @param cells by row, then by column
 */
public record RecallGrid(
        String metric,
        String columnTag,
        List<Integer> lengths,
        List<String> columns,
        List<List<Cell>> cells) {
    /** More depths than these, or others at other lengths, are put together in fifths. */
    private static final int MOST_COLUMNS = 11;

    private static final int FIFTHS = 5;

    /**
     * The items of one length and depth.
     *
     * @param value their mean, not a number if there are none
     * @param n how many they are
     */
    public record Cell(double value, int n) {}

    /**
     * Of a task's items, if they are tagged with their length and are not all alike.
     *
     * @param samples with the tag {@code length}, and {@code depth} (0 to 1) or {@code pairs}
     * @return empty where an item has no length
     */
    public static Optional<RecallGrid> of(List<Sample> samples) {
        if (samples.isEmpty() || !samples.stream().allMatch(s -> isTagged(s, "length"))) {
            return Optional.empty();
        }
        String tag =
                List.of("depth", "pairs").stream()
                        .filter(name -> samples.stream().allMatch(s -> isTagged(s, name)))
                        .findFirst()
                        .orElse("all");
        String metric = samples.get(0).metrics().keySet().iterator().next();
        TreeSet<Integer> lengths = new TreeSet<>();
        TreeSet<Double> values = new TreeSet<>();
        for (Sample sample : samples) {
            lengths.add(number(sample, "length").intValue());
            values.add(column(sample, tag));
        }
        boolean inFifths =
                tag.equals("depth")
                        && (values.size() > MOST_COLUMNS || !isFull(samples, lengths, values));
        List<String> titles =
                inFifths
                        ? IntStream.range(0, FIFTHS)
                                .mapToObj(i -> 20 * i + "-" + 20 * (i + 1) + "%")
                                .toList()
                        : values.stream().map(value -> title(tag, value)).toList();
        List<Double> places = List.copyOf(values);
        List<List<Cell>> cells = new ArrayList<>();
        for (int length : lengths) {
            double[] sums = new double[titles.size()];
            int[] counts = new int[sums.length];
            for (Sample sample : samples) {
                if (number(sample, "length").intValue() == length) {
                    double at = column(sample, tag);
                    int column =
                            inFifths
                                    ? Math.min(FIFTHS - 1, (int) (at * FIFTHS))
                                    : places.indexOf(at);
                    sums[column] += sample.metrics().get(metric);
                    counts[column]++;
                }
            }
            cells.add(
                    IntStream.range(0, sums.length)
                            .mapToObj(i -> new Cell(sums[i] / counts[i], counts[i]))
                            .toList());
        }
        return Optional.of(new RecallGrid(metric, tag, List.copyOf(lengths), titles, cells));
    }

    /** Whether every length has every depth. */
    private static boolean isFull(
            List<Sample> samples, TreeSet<Integer> lengths, TreeSet<Double> depths) {
        long different =
                samples.stream()
                        .map(s -> List.of(number(s, "length"), number(s, "depth")))
                        .distinct()
                        .count();
        return different == (long) lengths.size() * depths.size();
    }

    private static boolean isTagged(Sample sample, String tag) {
        return sample.tags().get(tag) instanceof Number;
    }

    private static Number number(Sample sample, String tag) {
        return (Number) sample.tags().get(tag);
    }

    private static double column(Sample sample, String tag) {
        return tag.equals("all") ? 0 : number(sample, tag).doubleValue();
    }

    private static String title(String tag, double value) {
        return switch (tag) {
            case "depth" -> String.format(Locale.ROOT, "%.0f%%", 100 * value);
            case "pairs" -> String.format(Locale.ROOT, "%.0f", value);
            default -> tag;
        };
    }

    /**
     * As it stands in result files: {@code metric}, {@code columns} (what they are), {@code
     * lengths}, {@code titles}, and {@code cells}, rows of {@code {value, n}}, null where there is
     * no item.
     */
    public ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("metric", metric).put("columns", columnTag);
        ArrayNode rows = json.putArray("lengths");
        lengths.forEach(rows::add);
        ArrayNode titles = json.putArray("titles");
        columns.forEach(titles::add);
        ArrayNode all = json.putArray("cells");
        for (List<Cell> row : cells) {
            ArrayNode line = all.addArray();
            for (Cell cell : row) {
                if (cell.n() == 0) {
                    line.addNull();
                } else {
                    line.addObject().put("value", cell.value()).put("n", cell.n());
                }
            }
        }
        return json;
    }

    /** A line a length, two decimals a cell, a dash where there is no item. */
    public String text() {
        List<String> header = new ArrayList<>(List.of("length \\ " + columnTag));
        header.addAll(columns);
        List<List<String>> rows = new ArrayList<>();
        for (int i = 0; i < cells.size(); i++) {
            List<String> row = new ArrayList<>(List.of(Integer.toString(lengths.get(i))));
            for (Cell cell : cells.get(i)) {
                row.add(cell.n() == 0 ? "-" : String.format(Locale.ROOT, "%.2f", cell.value()));
            }
            rows.add(row);
        }
        return new ReportTable(header, 1, rows).text();
    }
}
