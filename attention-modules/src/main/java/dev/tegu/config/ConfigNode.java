package dev.tegu.config;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * A piece of YAML or JSON text as a tree: a mapping, a list, one scalar, or nothing ({@code null}).
 *
 * <p>Every key and value remembers its source, line and column. Scalars stay the text they were;
 * only the binder, who knows the type that is wanted, reads them as numbers or names. Two nodes are
 * equal when their {@link #toPlain() plain values} are, wherever they stood. Immutable.
 */
public final class ConfigNode {

    /** What a node is. */
    public enum Kind {
        MAPPING,
        LIST,
        SCALAR,
        NULL
    }

    /**
     * Where a key or value starts.
     *
     * @param source file name, or another name of where the text came from
     * @param line 1-based line, 0 when unknown
     * @param column 1-based column, 0 when unknown
     */
    public record Place(String source, int line, int column) {
        /** {@code configs/a.yaml:12:5}, or the source alone where there is no line. */
        @Override
        public String toString() {
            return line > 0 ? source + ":" + line + ":" + column : source;
        }

        Problem problem(String path, String message) {
            return new Problem(source, line, column, path, message);
        }
    }

    /** A value of a mapping and the place of its key. */
    public record Entry(Place keyPlace, ConfigNode value) {}

    private final Kind kind;
    private final Place place;
    private final Map<String, Entry> entries;
    private final List<ConfigNode> items;
    private final String text;
    private final boolean quoted;

    private ConfigNode(
            Kind kind,
            Place place,
            Map<String, Entry> entries,
            List<ConfigNode> items,
            String text,
            boolean quoted) {
        this.kind = kind;
        this.place = place;
        this.entries = entries;
        this.items = items;
        this.text = text;
        this.quoted = quoted;
    }

    static ConfigNode mapping(Place place, Map<String, Entry> entries) {
        Map<String, Entry> copy = Collections.unmodifiableMap(new LinkedHashMap<>(entries));
        return new ConfigNode(Kind.MAPPING, place, copy, List.of(), "", false);
    }

    static ConfigNode list(Place place, List<ConfigNode> items) {
        return new ConfigNode(Kind.LIST, place, Map.of(), List.copyOf(items), "", false);
    }

    static ConfigNode scalar(Place place, String text, boolean quoted) {
        return new ConfigNode(Kind.SCALAR, place, Map.of(), List.of(), text, quoted);
    }

    static ConfigNode nothing(Place place) {
        return new ConfigNode(Kind.NULL, place, Map.of(), List.of(), "", false);
    }

    /**
     * Reads YAML text (JSON is YAML too). Empty text is a node of kind {@link Kind#NULL}.
     *
     * @param sourceName what problems call this text
     * @throws ConfigException if the text is not one YAML document without duplicate keys, anchors
     *     and tags
     */
    public static ConfigNode parse(String text, String sourceName) {
        return new YamlReader(text, sourceName).read();
    }

    /**
     * Reads a YAML or JSON file in UTF-8.
     *
     * @throws ConfigException if it is missing, unreadable, not UTF-8 or not one YAML document
     */
    public static ConfigNode read(Path file) {
        String text;
        try {
            text = Files.readString(file, StandardCharsets.UTF_8);
        } catch (NoSuchFileException e) {
            throw unreadable(
                    file,
                    "no such file; check the path, relative paths start at the"
                            + " current folder");
        } catch (CharacterCodingException e) {
            throw unreadable(file, "not UTF-8 text; a configuration is a YAML or JSON text file");
        } catch (IOException e) {
            String why = Files.isDirectory(file) ? "is a folder, not a file" : "cannot be read";
            throw unreadable(file, why + "; give the path of a YAML or JSON file");
        }
        return parse(text, file.toString());
    }

    private static ConfigException unreadable(Path file, String message) {
        return new ConfigException(List.of(new Problem(file.toString(), 0, 0, "", message)));
    }

    /**
     * Makes a node of plain values, as {@link #toPlain()} gives them and as Jackson reads them.
     *
     * @param value maps with text keys, lists, text, numbers, booleans, null
     * @throws IllegalArgumentException if a value is of another type
     */
    public static ConfigNode of(Object value, String sourceName) {
        return PlainValues.toNode(value, new Place(sourceName, 0, 0));
    }

    public Kind kind() {
        return kind;
    }

    /** Where this value starts. */
    public Place place() {
        return place;
    }

    /** Keys and values of a mapping in the order of the text; empty for the other kinds. */
    public Map<String, Entry> entries() {
        return entries;
    }

    /** Values of a list; empty for the other kinds. */
    public List<ConfigNode> items() {
        return items;
    }

    /** Text of a scalar, quotes and escapes undone; empty for the other kinds. */
    public String text() {
        return text;
    }

    /** Whether the scalar stood in quotes or as a text block, and so is text whatever it says. */
    public boolean isQuoted() {
        return quoted;
    }

    /** Whether this is text, as against a number, a boolean or another kind of node. */
    public boolean isText() {
        return kind == Kind.SCALAR && (quoted || Scalars.plainType(text) == Scalars.Type.TEXT);
    }

    /**
     * The value at a dotted key, such as {@code feature_map.kind}; empty if there is none.
     *
     * @param dottedKey names of nested mappings, joined by dots
     */
    public Optional<ConfigNode> get(String dottedKey) {
        ConfigNode node = this;
        for (String key : dottedKey.split("\\.", -1)) {
            Entry entry = node.entries.get(key);
            if (entry == null) {
                return Optional.empty();
            }
            node = entry.value();
        }
        return Optional.of(node);
    }

    /**
     * This node with another laid over it: mappings are merged key by key, anything else is
     * replaced. A bare word under a mapping counts as {@code {kind: word}}, so that {@code
     * feature_map: hedgehog} can take an override {@code {feature_dim: 8}}; a bare word over a
     * mapping replaces it whole.
     */
    public ConfigNode withOverrides(ConfigNode overrides) {
        if (overrides.kind != Kind.MAPPING) {
            return overrides;
        }
        ConfigNode base = this;
        if (isText()) {
            base = mapping(place, Map.of("kind", new Entry(place, this)));
        }
        Map<String, Entry> merged = new LinkedHashMap<>(base.entries);
        overrides.entries.forEach(
                (key, entry) -> {
                    Entry below = merged.get(key);
                    ConfigNode value =
                            below == null
                                    ? entry.value()
                                    : below.value().withOverrides(entry.value());
                    merged.put(key, new Entry(entry.keyPlace(), value));
                });
        Place where = base.kind == Kind.MAPPING ? base.place : overrides.place;
        return mapping(where, merged);
    }

    /**
     * This node with one value changed, as {@code --set key=value} asks.
     *
     * @param dottedKey names of nested mappings, joined by dots; made where they are absent
     * @param yamlValue the value as YAML text, merged as by {@link #withOverrides}
     * @param sourceName what problems call this value; they carry no line
     * @throws ConfigException if the key has an empty part or the value is not YAML
     */
    public ConfigNode with(String dottedKey, String yamlValue, String sourceName) {
        Place where = new Place(sourceName, 0, 0);
        String[] keys = dottedKey.split("\\.", -1);
        for (String key : keys) {
            if (key.isBlank()) {
                String message = "`" + dottedKey + "` is no key; write `--set block.key=value`";
                throw new ConfigException(List.of(where.problem("", message)));
            }
        }
        ConfigNode overlay;
        try {
            overlay = parse(yamlValue, sourceName).withPlaces(place -> where);
        } catch (ConfigException e) {
            List<Problem> placed = new ArrayList<>();
            e.problems().forEach(p -> placed.add(where.problem(dottedKey, p.message())));
            throw new ConfigException(placed);
        }
        for (int i = keys.length - 1; i >= 0; i--) {
            overlay = mapping(where, Map.of(keys[i], new Entry(where, overlay)));
        }
        return withOverrides(overlay);
    }

    /** This mapping with one value in the place of what its key had, if it had any. */
    public ConfigNode replacing(String key, ConfigNode value) {
        Map<String, Entry> replaced = new LinkedHashMap<>(entries);
        replaced.put(key, new Entry(value.place(), value));
        return mapping(place, replaced);
    }

    /** The same contents with every place changed, of keys and values alike. */
    public ConfigNode withPlaces(UnaryOperator<Place> change) {
        return PlainValues.moved(this, change);
    }

    /**
     * As {@link #toYaml}, behind each line that holds a value a comment with the place of that
     * value. Parsing the result gives an equal node.
     */
    public String toYamlWithPlaces() {
        return YamlWriter.writeWithPlaces(this);
    }

    /**
     * This node as block-style YAML, keys in their order, lists of scalars on one line. Parsing the
     * result gives an equal node; the same node always gives the same text.
     */
    public String toYaml() {
        return YamlWriter.write(this);
    }

    /**
     * This node as plain values: {@code LinkedHashMap}, {@code List}, {@code String}, {@code Long},
     * {@code Double}, {@code Boolean} or null.
     */
    public Object toPlain() {
        return PlainValues.fromNode(this);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ConfigNode node && Objects.equals(toPlain(), node.toPlain());
    }

    @Override
    public int hashCode() {
        return Objects.hashCode(toPlain());
    }

    /** The YAML text. */
    @Override
    public String toString() {
        return toYaml();
    }
}
