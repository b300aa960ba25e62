package dev.tegu.config;

import java.util.Comparator;
import java.util.List;

/**
 * One fault of a configuration, ready to print.
 *
 * @param source file name, or another name of where the text came from
 * @param line 1-based line, 0 when unknown (a value given with {@code --set})
 * @param column 1-based column, 0 when unknown
 * @param path dotted key, for example {@code feature_map.kind}, empty for the document itself
 * @param message what is wrong, what was expected, and the nearest right name or the next step
 */
public record Problem(String source, int line, int column, String path, String message) {

    /** Problems in the order of their places, texts in the order of their first problem. */
    public static List<Problem> inOrder(List<Problem> problems) {
        List<String> sources = problems.stream().map(Problem::source).distinct().toList();
        return problems.stream()
                .sorted(
                        Comparator.comparingInt((Problem p) -> sources.indexOf(p.source()))
                                .thenComparingInt(Problem::line)
                                .thenComparingInt(Problem::column))
                .toList();
    }

    /** {@code configs/a.yaml:12:5: window.sise: unknown key (did you mean `size`?)}. */
    @Override
    public String toString() {
        String place = new ConfigNode.Place(source, line, column).toString();
        return path.isEmpty() ? place + ": " + message : place + ": " + path + ": " + message;
    }
}
