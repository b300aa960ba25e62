package dev.tegu.records;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.Locale;

/** JSON objects of a file, one after the other, each with the line where it starts. */
public final class JsonRecords {
    /** Elements stand one behind the other. */
    private static final JsonMapper ELEMENTS =
            JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

    /** A line holds one object and nothing else. */
    private static final JsonMapper LINES =
            ELEMENTS.rebuild().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    /** What is done with one object. */
    public interface Visitor {
        /**
         * @param place {@code file:line}, for messages
         */
        void visit(JsonNode object, String place);
    }

    private JsonRecords() {}

    /** Reads one object a line; blank lines are passed over. */
    public static void eachLine(String file, BufferedReader reader, Visitor visitor)
            throws IOException {
        int number = 0;
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            String place = file + ":" + number;
            visitor.visit(object(parse(line, place), place), place);
        }
    }

    /** Reads the objects of one array, without holding all of them. */
    public static void eachElement(String file, BufferedReader reader, Visitor visitor)
            throws IOException {
        try (JsonParser parser = ELEMENTS.createParser(reader)) {
            parser.nextToken();
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                String place = file + ":" + parser.currentTokenLocation().getLineNr();
                visitor.visit(object(parser.readValueAsTree(), place), place);
            }
            refuseMore(file, parser);
        } catch (JsonProcessingException e) {
            int line = e.getLocation() == null ? 0 : e.getLocation().getLineNr();
            throw notJson(line > 0 ? file + ":" + line : file, e);
        }
    }

    /**
     * The text of a field.
     *
     * @throws DataException if the field is absent or not a string
     */
    public static String text(JsonNode object, String field, String place) {
        JsonNode value = object.get(field);
        if (value == null) {
            throw new DataException(
                    place + ": expected the field `" + field + "`, found " + names(object));
        }
        if (!value.isTextual()) {
            throw new DataException(
                    place + ": `" + field + "`: expected a string, found " + kind(value));
        }
        return value.textValue();
    }

    private static void refuseMore(String file, JsonParser parser) throws IOException {
        boolean more;
        try {
            more = parser.nextToken() != null;
        } catch (JsonProcessingException e) {
            more = true;
        }
        if (more) {
            String place = file + ":" + parser.currentLocation().getLineNr();
            throw new DataException(place + ": text after the end of the array");
        }
    }

    private static JsonNode parse(String line, String place) {
        try {
            return LINES.readTree(line);
        } catch (JsonProcessingException e) {
            throw notJson(place, e);
        }
    }

    /**
     * The node, which must be an object.
     *
     * @throws DataException if it is not
     */
    public static JsonNode object(JsonNode node, String place) {
        if (node == null || !node.isObject()) {
            throw new DataException(place + ": expected a JSON object, found " + kind(node));
        }
        return node;
    }

    private static DataException notJson(String place, JsonProcessingException e) {
        if (e instanceof JsonEOFException) {
            return new DataException(
                    place + ": ends in the middle of a value; the file may be cut short", e);
        }
        return new DataException(place + ": not JSON: " + e.getOriginalMessage(), e);
    }

    private static String kind(JsonNode node) {
        return node == null
                ? "nothing"
                : "a JSON " + node.getNodeType().name().toLowerCase(Locale.ROOT);
    }

    /** The names of an object's fields, for messages. */
    public static String names(JsonNode object) {
        StringBuilder names = new StringBuilder();
        object.fieldNames()
                .forEachRemaining(
                        name ->
                                names.append(names.isEmpty() ? "`" : ", `")
                                        .append(name)
                                        .append("`"));
        return names.isEmpty() ? "an empty object" : names.toString();
    }
}
