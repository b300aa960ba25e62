package dev.tegu.config;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Records to plain values, the way back of {@link Binding}. */
final class RecordWriter {

    private RecordWriter() {}

    static Map<String, Object> toMap(Record record) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (RecordShape.Key key : new RecordShape(record.getClass()).keys()) {
            Object value = key.valueIn(record);
            boolean isAbsent = value instanceof Optional<?> optional && optional.isEmpty();
            if (!isAbsent) {
                map.put(key.name(), plain(value));
            } else if (key.defaultNode().isPresent()) {
                // Left out it would come back as its default.
                map.put(key.name(), null);
            }
        }
        return map;
    }

    /** A record whose only value is one of its {@link Bare} components is written as that value. */
    private static Object bareOrMap(Record record) {
        Map<String, Object> map = toMap(record);
        List<RecordShape.Key> bare =
                new RecordShape(record.getClass())
                        .keys().stream().filter(RecordShape.Key::isBare).toList();
        List<RecordShape.Key> given =
                bare.stream().filter(key -> map.containsKey(key.name())).toList();
        if (bare.isEmpty() || map.size() > given.size()) {
            return map;
        }
        List<RecordShape.Key> filled =
                given.stream().filter(key -> !List.of().equals(map.get(key.name()))).toList();
        if (filled.size() > 1) {
            return map;
        }
        return map.get((filled.isEmpty() ? given : filled).get(0).name());
    }

    private static Object plain(Object value) {
        if (value instanceof Optional<?> optional) {
            return plain(optional.orElse(null));
        }
        if (value instanceof Record nested) {
            return bareOrMap(nested);
        }
        if (value instanceof Enum<?> constant) {
            return RecordShape.word(constant);
        }
        if (value instanceof ConfigNode node) {
            return node.toPlain();
        }
        if (value instanceof List<?> list) {
            return list.stream().map(RecordWriter::plain).toList();
        }
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> copy = new LinkedHashMap<>();
            map.forEach((key, item) -> copy.put((String) key, plain(item)));
            return copy;
        }
        if (value instanceof String
                || value instanceof Integer
                || value instanceof Long
                || value instanceof Double
                || value instanceof Boolean) {
            return value;
        }
        throw new IllegalArgumentException("cannot write " + value + " to a configuration");
    }
}
