package dev.tegu.config;

import dev.tegu.config.ConfigNode.Entry;
import dev.tegu.config.ConfigNode.Kind;
import dev.tegu.config.ConfigNode.Place;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Finds where each value of a full configuration came from, in the text that was given. */
final class Origins {
    private static final Place DEFAULT = new Place("default", 0, 0);

    private Origins() {}

    /**
     * @param effective every value
     * @param given the part that was written, empty where nothing was
     * @return the values of {@code effective} at the places of {@code given}
     */
    static ConfigNode of(ConfigNode effective, Optional<ConfigNode> given) {
        Place place = given.map(ConfigNode::place).orElse(DEFAULT);
        return switch (effective.kind()) {
            case MAPPING -> {
                Map<String, Entry> entries = new LinkedHashMap<>();
                effective
                        .entries()
                        .forEach(
                                (key, entry) ->
                                        entries.put(
                                                key,
                                                new Entry(
                                                        place,
                                                        of(
                                                                entry.value(),
                                                                given.flatMap(g -> of(g, key))))));
                yield ConfigNode.mapping(place, entries);
            }
            case LIST -> {
                List<ConfigNode> items = new ArrayList<>();
                for (ConfigNode item : effective.items()) {
                    int index = items.size();
                    items.add(of(item, given.map(g -> item(g, index))));
                }
                yield ConfigNode.list(place, items);
            }
            case SCALAR -> ConfigNode.scalar(place, effective.text(), effective.isQuoted());
            case NULL -> ConfigNode.nothing(place);
        };
    }

    /** What was given for a key; a bare word or number stands for the block that it became. */
    private static Optional<ConfigNode> of(ConfigNode given, String key) {
        if (given.kind() == Kind.MAPPING) {
            return Optional.ofNullable(given.entries().get(key)).map(Entry::value);
        }
        boolean isKind = key.equals("kind") || !given.isText();
        return isKind && given.kind() != Kind.NULL ? Optional.of(given) : Optional.empty();
    }

    private static ConfigNode item(ConfigNode given, int index) {
        return index < given.items().size() ? given.items().get(index) : given;
    }
}
