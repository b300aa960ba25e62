package dev.tegu.cli.report;

import dev.tegu.eval.Paired;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A model against another on the items that both have answered. */
final class Comparison {
    /** Below these a difference gets one mark, two, three. */
    static final List<Double> LEVELS = List.of(0.05, 0.01, 0.001);

    private Comparison() {}

    /**
     * What the second has more than the first; empty where no item of both has the metric.
     *
     * @param metric whose values the items have
     */
    static Optional<Paired> of(Measured first, Measured second, String task, String metric) {
        Map<String, Map<String, Double>> before = first.items(task).metrics();
        Map<String, Map<String, Double>> after = second.items(task).metrics();
        List<String> shared =
                before.keySet().stream()
                        .filter(item -> isThere(before, item, metric))
                        .filter(item -> isThere(after, item, metric))
                        .toList();
        return shared.isEmpty()
                ? Optional.empty()
                : Optional.of(
                        Paired.of(values(before, shared, metric), values(after, shared, metric)));
    }

    private static boolean isThere(
            Map<String, Map<String, Double>> items, String item, String metric) {
        Double value = items.getOrDefault(item, Map.of()).get(metric);
        return value != null && Double.isFinite(value);
    }

    private static double[] values(
            Map<String, Map<String, Double>> items, List<String> names, String metric) {
        return names.stream().mapToDouble(name -> items.get(name).get(metric)).toArray();
    }

    /**
     * {@code ▲***} for a difference to the better that chance would hardly make, {@code ▼*} for one
     * to the worse, {@code ≈} where there is none to see, nothing where it cannot be told.
     */
    static String mark(Paired paired, boolean higherIsBetter) {
        if (paired.pValue().isEmpty()) {
            return "";
        }
        double p = paired.pValue().getAsDouble();
        long stars = LEVELS.stream().filter(level -> p < level).count();
        if (stars == 0) {
            return "≈";
        }
        boolean isBetter = paired.difference() > 0 == higherIsBetter;
        return (isBetter ? "▲" : "▼") + "*".repeat((int) stars);
    }
}
