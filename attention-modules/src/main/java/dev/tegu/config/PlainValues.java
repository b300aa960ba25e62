package dev.tegu.config;

import dev.tegu.config.ConfigNode.Entry;
import dev.tegu.config.ConfigNode.Place;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Nodes to maps, lists and boxed values that any JSON library can write, and back. */
final class PlainValues {

    private PlainValues() {}

    static ConfigNode toNode(Object value, Place place) {
        if (value == null) {
            return ConfigNode.nothing(place);
        }
        if (value instanceof ConfigNode node) {
            return node;
        }
        if (value instanceof Map<?, ?> map) {
            Map<String, Entry> entries = new LinkedHashMap<>();
            map.forEach(
                    (key, item) ->
                            entries.put(
                                    String.valueOf(key), new Entry(place, toNode(item, place))));
            return ConfigNode.mapping(place, entries);
        }
        if (value instanceof Iterable<?> list) {
            List<ConfigNode> items = new ArrayList<>();
            list.forEach(item -> items.add(toNode(item, place)));
            return ConfigNode.list(place, items);
        }
        if (value instanceof String text) {
            return ConfigNode.scalar(place, text, Scalars.plainType(text) != Scalars.Type.TEXT);
        }
        if (value instanceof Double || value instanceof Float || value instanceof BigDecimal) {
            double number = ((Number) value).doubleValue();
            return ConfigNode.scalar(place, Scalars.format(number), false);
        }
        if (value instanceof Integer
                || value instanceof Long
                || value instanceof BigInteger
                || value instanceof Boolean) {
            return ConfigNode.scalar(place, value.toString(), false);
        }
        throw new IllegalArgumentException(
                "no configuration value: " + value + " of " + value.getClass().getName());
    }

    static Object fromNode(ConfigNode node) {
        return switch (node.kind()) {
            case MAPPING -> {
                Map<String, Object> map = new LinkedHashMap<>();
                node.entries().forEach((key, entry) -> map.put(key, fromNode(entry.value())));
                yield map;
            }
            case LIST -> {
                List<Object> list = new ArrayList<>();
                node.items().forEach(item -> list.add(fromNode(item)));
                yield list;
            }
            case SCALAR -> fromScalar(node);
            case NULL -> null;
        };
    }

    private static Object fromScalar(ConfigNode node) {
        String text = node.text();
        if (node.isText()) {
            return text;
        }
        return switch (Scalars.plainType(text)) {
            case BOOLEAN -> Boolean.valueOf(text);
            case INTEGER -> integer(Scalars.integer(text).orElseThrow());
            case DECIMAL -> Scalars.decimal(text).<Object>map(d -> d).orElse(text);
            default -> text;
        };
    }

    private static Object integer(BigInteger value) {
        return value.bitLength() < Long.SIZE ? (Object) value.longValue() : value;
    }

    /** The same contents, said to stand at other places. */
    static ConfigNode moved(ConfigNode node, UnaryOperator<Place> change) {
        Place place = change.apply(node.place());
        return switch (node.kind()) {
            case MAPPING -> {
                Map<String, Entry> entries = new LinkedHashMap<>();
                node.entries()
                        .forEach(
                                (key, entry) ->
                                        entries.put(
                                                key,
                                                new Entry(
                                                        change.apply(entry.keyPlace()),
                                                        moved(entry.value(), change))));
                yield ConfigNode.mapping(place, entries);
            }
            case LIST ->
                    ConfigNode.list(
                            place, node.items().stream().map(item -> moved(item, change)).toList());
            case SCALAR -> ConfigNode.scalar(place, node.text(), node.isQuoted());
            case NULL -> ConfigNode.nothing(place);
        };
    }
}
