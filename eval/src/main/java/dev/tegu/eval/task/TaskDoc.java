package dev.tegu.eval.task;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A record of the data, ready for the templates.
 *
 * @param id index in its split, from 0
 * @param place where it stands, for messages
 * @param fields values by name: text, numbers, booleans, lists and maps of these
 * @param layout the form that its data have
 */
record TaskDoc(int id, String place, Map<String, Object> fields, Layout layout) {
    TaskDoc {
        fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
    }

    TaskDoc with(Map<String, Object> changed) {
        return new TaskDoc(id, place, changed, layout);
    }
}
