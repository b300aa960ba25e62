package dev.tegu.config;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import dev.tegu.config.ConfigNode.Entry;
import dev.tegu.config.ConfigNode.Place;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * YAML text to {@link ConfigNode}, token by token.
 *
 * <p>Refused, though YAML has them: duplicate keys, several documents, anchors, aliases and tags. A
 * configuration that can be read from top to bottom needs none of them.
 */
final class YamlReader {

    private static final YAMLFactory YAML = new YAMLFactory();

    private final String text;
    private final int[] codePoints;
    private final String source;
    private final List<Problem> problems = new ArrayList<>();

    YamlReader(String text, String source) {
        this.text = text.startsWith("\uFEFF") ? text.substring(1) : text;
        this.codePoints = this.text.codePoints().toArray();
        this.source = source;
    }

    ConfigNode read() {
        ConfigNode root = ConfigNode.nothing(new Place(source, 1, 1));
        try (JsonParser parser = YAML.createParser(text)) {
            if (parser.nextToken() != null) {
                root = value(parser, "");
                if (parser.nextToken() != null) {
                    problem(
                            parser,
                            "",
                            "a second document begins here; a file holds one: remove"
                                    + " the `---` line and what follows, or make two files");
                }
            }
        } catch (JsonProcessingException e) {
            problems.add(YamlErrors.toProblem(e, source));
        } catch (IOException e) {
            throw new UncheckedIOException(source, e);
        }
        if (!problems.isEmpty()) {
            throw new ConfigException(problems);
        }
        return root;
    }

    private ConfigNode value(JsonParser parser, String path) throws IOException {
        Place place = place(parser);
        int first = firstCharacter(parser);
        if (first == '&' || first == '*') {
            problem(
                    parser,
                    path,
                    "anchors and aliases (`&name`, `*name`) are not supported; write"
                            + " the value out, or put the text in quotes");
        } else if (first == '!') {
            problem(
                    parser,
                    path,
                    "tags (`!name`) are not supported; remove the tag, or put the"
                            + " text in quotes");
        }
        JsonToken token = parser.currentToken();
        if (token == JsonToken.START_OBJECT) {
            return mapping(parser, path, place);
        }
        if (token == JsonToken.START_ARRAY) {
            List<ConfigNode> items = new ArrayList<>();
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                items.add(value(parser, path + "[" + items.size() + "]"));
            }
            return ConfigNode.list(place, items);
        }
        boolean quoted = first == '"' || first == '\'' || first == '|' || first == '>';
        String scalar = parser.getText();
        if (!quoted && Scalars.plainType(scalar) == Scalars.Type.NULL) {
            return ConfigNode.nothing(place);
        }
        return ConfigNode.scalar(place, scalar, quoted);
    }

    private ConfigNode mapping(JsonParser parser, String path, Place place) throws IOException {
        Map<String, Entry> entries = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            String keyPath = path.isEmpty() ? key : path + "." + key;
            Place keyPlace = place(parser);
            Entry earlier = entries.get(key);
            if (earlier != null) {
                problem(
                        parser,
                        keyPath,
                        "duplicate key, first at line "
                                + earlier.keyPlace().line()
                                + "; keep one of the two");
            }
            parser.nextToken();
            ConfigNode value = value(parser, keyPath);
            entries.putIfAbsent(key, new Entry(keyPlace, value));
        }
        return ConfigNode.mapping(place, entries);
    }

    private Place place(JsonParser parser) {
        JsonLocation location = parser.currentTokenLocation();
        return new Place(source, location.getLineNr(), location.getColumnNr());
    }

    /** What the value starts with in the text: the one thing that tells quoted from plain. */
    private int firstCharacter(JsonParser parser) {
        long offset = parser.currentTokenLocation().getCharOffset();
        return offset >= 0 && offset < codePoints.length ? codePoints[(int) offset] : -1;
    }

    private void problem(JsonParser parser, String path, String message) {
        problems.add(place(parser).problem(path, message));
    }
}
