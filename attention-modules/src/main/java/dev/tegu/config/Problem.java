package dev.tegu.config;

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

    /** {@code configs/a.yaml:12:5: window.sise: unknown key (did you mean `size`?)}. */
    @Override
    public String toString() {
        String place = line > 0 ? source + ":" + line + ":" + column : source;
        return path.isEmpty() ? place + ": " + message : place + ": " + path + ": " + message;
    }
}
