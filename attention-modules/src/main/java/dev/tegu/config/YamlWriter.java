package dev.tegu.config;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.util.Locale;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Nodes as YAML text; the same node always gives the same text. */
final class YamlWriter {

    /** Words that need no quotes whatever stands around them. */
    private static final Pattern SAFE = Pattern.compile("[A-Za-z_./][A-Za-z0-9_./+-]*");

    private static final Pattern YAML_BOOLEAN =
            Pattern.compile("true|false|yes|no|on|off|y|n|null", Pattern.CASE_INSENSITIVE);

    /** What JSON lets stand and YAML folds, drops or refuses. */
    private static final Pattern UNPRINTABLE =
            Pattern.compile("[\\x7f-\\x9f\\u2028\\u2029\\ufeff\\ufffe\\uffff]|\\p{Cs}");

    /** What would end a comment, or may not stand in one. */
    private static final Pattern BREAKING = Pattern.compile("\\p{Cntrl}|" + UNPRINTABLE.pattern());

    private final StringBuilder out = new StringBuilder();

    /** Whether the place of each value stands behind it. */
    private final boolean places;

    private YamlWriter(boolean places) {
        this.places = places;
    }

    static String write(ConfigNode root) {
        return new YamlWriter(false).text(root);
    }

    static String writeWithPlaces(ConfigNode root) {
        return new YamlWriter(true).text(root);
    }

    private String text(ConfigNode root) {
        if (isInline(root)) {
            line(root);
        } else {
            block(root, 0);
        }
        return out.toString();
    }

    /** Ends a line with a value that fits on it. */
    private void line(ConfigNode value) {
        out.append(inline(value));
        if (places) {
            out.append("  # ").append(BREAKING.matcher(value.place().toString()).replaceAll("?"));
        }
        out.append('\n');
    }

    /** Writes a mapping or list, one key or item a line, starting at the start of a line. */
    private void block(ConfigNode node, int indent) {
        if (node.kind() == ConfigNode.Kind.MAPPING) {
            node.entries().forEach((key, entry) -> entry(key, entry.value(), indent));
        } else {
            for (ConfigNode item : node.items()) {
                indent(indent).append('-');
                value(item, indent);
            }
        }
    }

    private void entry(String key, ConfigNode value, int indent) {
        indent(indent).append(text(key)).append(':');
        value(value, indent);
    }

    private void value(ConfigNode value, int indent) {
        if (isInline(value)) {
            out.append(' ');
            line(value);
        } else {
            out.append('\n');
            block(value, indent + 2);
        }
    }

    private StringBuilder indent(int spaces) {
        return out.append(" ".repeat(spaces));
    }

    private static boolean isInline(ConfigNode node) {
        return switch (node.kind()) {
            case MAPPING -> node.entries().isEmpty();
            case LIST -> node.items().stream().allMatch(YamlWriter::isLeaf);
            default -> true;
        };
    }

    private static boolean isLeaf(ConfigNode node) {
        return node.items().isEmpty() && node.entries().isEmpty();
    }

    private static String inline(ConfigNode node) {
        return switch (node.kind()) {
            case MAPPING -> "{}";
            case LIST ->
                    node.items().stream()
                            .map(YamlWriter::inline)
                            .collect(Collectors.joining(", ", "[", "]"));
            case SCALAR -> node.isText() ? text(node.text()) : node.text();
            case NULL -> "null";
        };
    }

    private static String text(String text) {
        boolean plain =
                SAFE.matcher(text).matches()
                        && !YAML_BOOLEAN.matcher(text).matches()
                        && Scalars.plainType(text) == Scalars.Type.TEXT
                        && !text.startsWith("...");
        if (plain) {
            return text;
        }
        String escaped = String.valueOf(JsonStringEncoder.getInstance().quoteAsString(text));
        return '"' + UNPRINTABLE.matcher(escaped).replaceAll(YamlWriter::escape) + '"';
    }

    private static String escape(MatchResult match) {
        return String.format(Locale.ROOT, "\\\\u%04x", (int) match.group().charAt(0));
    }
}
