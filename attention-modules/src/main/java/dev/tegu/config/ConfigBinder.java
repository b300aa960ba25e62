package dev.tegu.config;

import java.util.Map;
import java.util.Optional;

/**
 * Binds configuration text to records, strictly.
 *
 * <p>Each component of a record is one key, {@code camelCase} in Java and {@code snake_case} in the
 * text. Component types: {@code int}, {@code long}, {@code double}, {@code boolean} (and their
 * boxes), {@code String}, enums (constants as {@code lower_snake_case}), {@code Optional}, {@code
 * List} and {@code Map} (keys are text) of these, records, and {@link ConfigNode} for a part that
 * is bound later. A bare word where a record with a component {@code kind} is expected stands for
 * {@code {kind: word}}.
 *
 * <p>Nothing is guessed and nothing lost: an unknown key, a missing key, {@code 8.7} for an {@code
 * int}, {@code yes} for a boolean or a number for text are faults. An absent key takes its {@link
 * Default}; an absent {@code Optional} without one is empty. Cross-field rules live in the record's
 * constructor, which throws {@link InvalidValueException}.
 */
public final class ConfigBinder {

    private ConfigBinder() {}

    /**
     * @param node the text, or one block of it
     * @param type a record class
     * @throws ConfigException with every fault found, in the order of the text; a record's
     *     constructor runs only when all its components could be read
     */
    public static <R extends Record> R bind(ConfigNode node, Class<R> type) {
        return bind(node, type, "");
    }

    /**
     * As {@link #bind(ConfigNode, Class)}, for a block inside a larger text.
     *
     * @param path dotted key of the block, with which the paths of problems begin
     */
    public static <R extends Record> R bind(ConfigNode node, Class<R> type, String path) {
        Binding binding = new Binding();
        Object bound = binding.value(type, node, path, node.place());
        binding.throwIfAny();
        return type.cast(bound);
    }

    /**
     * The full configuration that a record holds, defaults included, as plain values that JSON
     * libraries write: {@code LinkedHashMap}, {@code List}, {@code String}, numbers, {@code
     * Boolean}. Keys in the order of the components; empty {@code Optional}s are left out.
     *
     * @throws IllegalArgumentException if a component has a type that {@link #bind} cannot read
     */
    public static Map<String, Object> toMap(Record record) {
        return RecordWriter.toMap(record);
    }

    /** As {@link #toMap}, as a node: binding it gives an equal record. */
    public static ConfigNode toNode(Record record) {
        return ConfigNode.of(toMap(record), "effective configuration");
    }

    /**
     * As {@link #toNode(Record)}, each value at the place that it was read from; what was not given
     * is at a place without a line, called {@code default}.
     *
     * @param given what the record was bound from
     */
    public static ConfigNode toNode(Record record, ConfigNode given) {
        return Origins.of(toNode(record), Optional.of(given));
    }
}
