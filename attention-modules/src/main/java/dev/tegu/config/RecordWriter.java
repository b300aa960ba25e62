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
            } else if (key.defaultText().isPresent()) {
                // Left out it would come back as its default.
                map.put(key.name(), null);
            }
        }
        return map;
    }

    private static Object plain(Object value) {
        if (value instanceof Optional<?> optional) {
            return plain(optional.orElse(null));
        }
        if (value instanceof Record nested) {
            return toMap(nested);
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
