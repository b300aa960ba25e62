package dev.tegu.config;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** How two sets of settings differ, key by key. */
public final class Differences {
    private static final String NOTHING = "nothing";

    private Differences() {}

    /**
     * Settings as lines: the text of each value by its dotted key, in the order of the mappings.
     * Lists count as one value.
     *
     * @param settings a mapping
     */
    public static Map<String, String> flat(ConfigNode settings) {
        Map<String, String> flat = new LinkedHashMap<>();
        flatten("", settings, flat);
        return flat;
    }

    private static void flatten(String prefix, ConfigNode node, Map<String, String> flat) {
        node.entries()
                .forEach(
                        (key, entry) -> {
                            ConfigNode value = entry.value();
                            if (value.entries().isEmpty()) {
                                flat.put(prefix + key, String.valueOf(value.toPlain()));
                            } else {
                                flatten(prefix + key + ".", value, flat);
                            }
                        });
    }

    /**
     * What has changed.
     *
     * @return {@code KEY: was X, is Y} of every key whose value differs or that one side lacks
     */
    public static List<String> of(Map<String, String> before, Map<String, String> now) {
        Set<String> keys = new LinkedHashSet<>(before.keySet());
        keys.addAll(now.keySet());
        List<String> differences = new ArrayList<>();
        for (String key : keys) {
            String was = before.getOrDefault(key, NOTHING);
            String is = now.getOrDefault(key, NOTHING);
            if (!was.equals(is)) {
                differences.add(key + ": was " + was + ", is " + is);
            }
        }
        return differences;
    }
}
