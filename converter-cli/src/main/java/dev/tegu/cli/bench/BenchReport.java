package dev.tegu.cli.bench;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.eval.ReportTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/**
 * All points of a benchmark, and how each series grows.
 *
 * @param settings what was measured, in the order it is to be printed
 * @param points by method, form and length
 */
public record BenchReport(ObjectNode settings, List<BenchPoint> points) {
    private static final double MIB = 1 << 20;

    public BenchReport {
        points = List.copyOf(points);
    }

    /** The points of one method's form, ascending. */
    record Series(String method, String form, List<BenchPoint> points) {
        /** For example {@code gla, chunked}. */
        String name() {
            return method + ", " + form;
        }

        double[] lengths() {
            return points.stream().mapToDouble(BenchPoint::length).toArray();
        }

        double[] values(ToDoubleFunction<BenchPoint> value) {
            return points.stream().mapToDouble(value).toArray();
        }

        boolean hasMemory() {
            return points.stream().allMatch(p -> p.trainingPeakBytes() != null);
        }
    }

    /** The series in the order they were measured. */
    List<Series> series() {
        return points.stream()
                .map(p -> List.of(p.method(), p.form()))
                .distinct()
                .map(
                        key ->
                                new Series(
                                        key.get(0),
                                        key.get(1),
                                        points.stream()
                                                .filter(p -> p.method().equals(key.get(0)))
                                                .filter(p -> p.form().equals(key.get(1)))
                                                .toList()))
                .toList();
    }

    /**
     * Keys: {@code settings}; {@code points}; {@code growth}: for each series the power of the
     * length that {@code training_millis} and {@code training_peak_bytes} grow with, fitted over
     * all lengths (series of one length have none).
     */
    public ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.set("settings", settings);
        JsonMapper mapper = new JsonMapper();
        points.forEach(point -> json.withArray("points").add(mapper.valueToTree(point)));
        for (Series series : series()) {
            if (series.points().size() > 1) {
                ObjectNode growth = json.withObject("/growth").putObject(series.name());
                growth.put("training_millis", timeGrowth(series));
                if (series.hasMemory()) {
                    growth.put("training_peak_bytes", memoryGrowth(series));
                }
            }
        }
        return json;
    }

    private static double timeGrowth(Series series) {
        return Statistics.growth(series.lengths(), series.values(BenchPoint::trainingMillis));
    }

    private static double memoryGrowth(Series series) {
        return Statistics.growth(
                series.lengths(), series.values(p -> Math.max(1, p.trainingPeakBytes())));
    }

    /** A table for people, then the growth of each series. */
    public List<String> lines() {
        List<String> header =
                List.of(
                        "method",
                        "form",
                        "tokens",
                        "forward ms",
                        "training ms",
                        "training us/token",
                        "training peak MiB",
                        "KiB/token");
        List<List<String>> rows = new ArrayList<>();
        for (BenchPoint p : points) {
            Long bytes = p.trainingPeakBytes();
            rows.add(
                    List.of(
                            p.method(),
                            p.form(),
                            String.valueOf(p.length()),
                            number(p.forwardMillis()),
                            number(p.trainingMillis()),
                            number(1000 * p.trainingMillis() / p.length()),
                            bytes == null ? "-" : number(bytes / MIB),
                            bytes == null ? "-" : number(bytes / 1024.0 / p.length())));
        }
        List<String> growthHeader = List.of("method", "form", "time ~ T^", "memory ~ T^");
        List<List<String>> growth = new ArrayList<>();
        for (Series series : series()) {
            if (series.points().size() > 1) {
                growth.add(
                        List.of(
                                series.method(),
                                series.form(),
                                String.format(Locale.ROOT, "%.2f", timeGrowth(series)),
                                series.hasMemory()
                                        ? String.format(Locale.ROOT, "%.2f", memoryGrowth(series))
                                        : "-"));
            }
        }
        List<String> lines =
                new ArrayList<>(new ReportTable(header, 2, rows).text().lines().toList());
        if (!growth.isEmpty()) {
            lines.add("");
            lines.addAll(new ReportTable(growthHeader, 2, growth).text().lines().toList());
        }
        if (points.stream().anyMatch(p -> p.trainingPeakBytes() == null)) {
            lines.add("memory: this system does not count it; only Linux does");
        }
        return lines;
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, value >= 100 ? "%.0f" : "%.1f", value);
    }
}
