package dev.tegu.attention;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The named methods, each a YAML file beside this class that names its paper and its deviations.
 */
public final class AttentionPresets {
    /** Every preset, methods first, then the controls. */
    public static final List<String> NAMES =
            List.of(
                    "hedgehog",
                    "t2r",
                    "lolcats",
                    "lolcats-terrace",
                    "lizard",
                    "lizard-paper",
                    "liger",
                    "based",
                    "gla",
                    "retnet",
                    "lightning",
                    "window-only",
                    "window-sinks",
                    "linear-only",
                    "no-attention");

    private AttentionPresets() {}

    /**
     * @param name one of {@link #NAMES}
     * @return the preset's YAML, comments included
     * @throws IllegalArgumentException if there is no such preset
     */
    public static String text(String name) {
        if (!NAMES.contains(name)) {
            throw new IllegalArgumentException("no method `" + name + "`; known: " + NAMES);
        }
        try (InputStream in =
                AttentionPresets.class.getResourceAsStream("presets/" + name + ".yaml")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The preset as a tree, for merging overrides into it. */
    public static ConfigNode node(String name) {
        return ConfigNode.parse(text(name), "preset " + name);
    }

    /** The preset, bound. */
    public static AttentionSpec spec(String name) {
        return ConfigBinder.bind(node(name), AttentionSpec.class);
    }
}
