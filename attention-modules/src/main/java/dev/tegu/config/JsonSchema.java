package dev.tegu.config;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * A JSON Schema (draft 2020-12) of the texts that {@link ConfigBinder} binds to a record: keys,
 * types, words and defaults, for editors that complete and mark. Ranges and rules between keys are
 * left to the binder, so a text that is right by the schema may still be refused.
 *
 * <p>Numbers with underscores, {@code 500_000}, are numbers for the binder and text for editors
 * that read YAML 1.2, so the schema takes them as either.
 *
 * @see <a href="https://json-schema.org/draft/2020-12">JSON Schema, draft 2020-12</a>
 */
public final class JsonSchema {
    private static final String DIGITS = "[-+]?[0-9]+(_[0-9]+)+";
    private static final String FRACTION = "(\\.[0-9]*)?([eE][-+]?[0-9]+)?";

    private final Map<String, String> descriptions;
    private final Map<String, List<Object>> open;
    private final Map<String, Object> definitions = new TreeMap<>();
    private final Map<String, Class<?>> defined = new TreeMap<>();

    /**
     * @param descriptions one line for each key, by {@code Record.key}
     * @param open what may stand where a component is a {@link ConfigNode}, by {@code Record.key}:
     *     record classes and ready schemas
     */
    public JsonSchema(Map<String, String> descriptions, Map<String, List<Object>> open) {
        this.descriptions = Map.copyOf(descriptions);
        this.open = Map.copyOf(open);
    }

    /**
     * @param title name of what the schema describes
     * @return the schema as plain values that JSON libraries write
     * @throws IllegalArgumentException if a component is of a type that cannot be bound, or has no
     *     description
     */
    public Map<String, Object> of(Class<? extends Record> type, String title) {
        Map<String, Object> schema = new LinkedHashMap<>();
        schema.put("$schema", "https://json-schema.org/draft/2020-12/schema");
        schema.put("title", title);
        schema.putAll(block(type));
        schema.put("$defs", definitions);
        return schema;
    }

    /** A record's keys, as they stand in a block. */
    private Map<String, Object> block(Class<?> type) {
        RecordShape shape = new RecordShape(type);
        Map<String, Object> properties = new LinkedHashMap<>();
        List<String> required = new ArrayList<>();
        for (RecordShape.Key key : shape.keys()) {
            String name = key.component().getDeclaringRecord().getSimpleName() + "." + key.name();
            Map<String, Object> property = new LinkedHashMap<>();
            property.put("description", described(name));
            property.putAll(value(key.type(), name));
            key.defaultNode().ifPresent(node -> property.put("default", node.toPlain()));
            properties.put(key.name(), property);
            if (key.defaultNode().isEmpty() && !key.isOptional()) {
                required.add(key.name());
            }
        }
        Map<String, Object> block = new LinkedHashMap<>();
        block.put("type", "object");
        block.put("properties", properties);
        block.put("required", required);
        block.put("additionalProperties", false);
        return block;
    }

    private String described(String name) {
        String description = descriptions.get(name);
        if (description == null) {
            throw new IllegalArgumentException("no description of `" + name + "`");
        }
        return description;
    }

    private Map<String, Object> value(Type type, String name) {
        if (type instanceof ParameterizedType generic) {
            Type[] arguments = generic.getActualTypeArguments();
            Map<String, Object> element = value(arguments[arguments.length - 1], name);
            if (generic.getRawType() == Optional.class) {
                return anyOf(List.of(element, ordered("type", "null")));
            }
            return generic.getRawType() == List.class
                    ? ordered("type", "array", "items", element)
                    : ordered("type", "object", "additionalProperties", element);
        }
        if (type == ConfigNode.class && open.containsKey(name)) {
            return anyOf(open.get(name).stream().map(this::given).toList());
        }
        if (type instanceof Class<?> raw && raw.isRecord()) {
            return reference(raw);
        }
        if (type instanceof Class<?> raw && ScalarBinder.reads(raw)) {
            return scalar(raw);
        }
        throw new IllegalArgumentException(name + ": no schema of " + type);
    }

    @SuppressWarnings("unchecked") // a schema, as the constructor says
    private Map<String, Object> given(Object schema) {
        return schema instanceof Class<?> type ? reference(type) : (Map<String, Object>) schema;
    }

    private static Map<String, Object> scalar(Class<?> type) {
        if (type.isEnum()) {
            return ordered(
                    "enum",
                    Arrays.stream(type.getEnumConstants())
                            .map(constant -> RecordShape.word((Enum<?>) constant))
                            .flatMap(JsonSchema::spellings)
                            .toList());
        }
        if (type == String.class) {
            return ordered("type", "string");
        }
        if (ScalarBinder.isBoolean(type)) {
            return ordered("type", "boolean");
        }
        boolean isWhole = ScalarBinder.isInt(type) || ScalarBinder.isLong(type);
        return ordered(
                "type",
                List.of(isWhole ? "integer" : "number", "string"),
                "pattern",
                "^" + DIGITS + (isWhole ? "" : FRACTION) + "$");
    }

    /** A constant may be called as a boolean is, which YAML reads as one. */
    private static Stream<Object> spellings(String word) {
        boolean isBoolean = word.equals("true") || word.equals("false");
        return isBoolean ? Stream.of(word, Boolean.valueOf(word)) : Stream.of(word);
    }

    /** A record by the name of its definition, which is made at the first call. */
    private Map<String, Object> reference(Class<?> type) {
        String name = type.getSimpleName();
        Class<?> other = defined.putIfAbsent(name, type);
        if (other == null) {
            definitions.put(name, definition(type));
        } else if (other != type) {
            throw new IllegalArgumentException("two records of the name " + name);
        }
        return ordered("$ref", "#/$defs/" + name);
    }

    /** A block, or what may stand bare in its place. */
    private Map<String, Object> definition(Class<?> type) {
        RecordShape shape = new RecordShape(type);
        List<Map<String, Object>> forms = new ArrayList<>();
        forms.add(block(type));
        for (RecordShape.Key key : shape.keys()) {
            if (key.isBare() || key.name().equals("kind")) {
                Type bare = key.type();
                boolean isOptional = key.isOptional();
                forms.add(
                        value(
                                isOptional
                                        ? ((ParameterizedType) bare).getActualTypeArguments()[0]
                                        : bare,
                                key.name()));
            }
        }
        return anyOf(forms);
    }

    private static Map<String, Object> anyOf(List<Map<String, Object>> forms) {
        return Set.copyOf(forms).size() == 1 ? forms.get(0) : ordered("anyOf", forms);
    }

    /** A map that gives the same text every time. */
    private static Map<String, Object> ordered(Object... keysAndValues) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            map.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return map;
    }
}
