package dev.tegu.cli.experiment;

import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigException;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.Nearest;
import dev.tegu.config.Problem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Finds the switches that a method stands for: a preset's, a file's, or those written out. */
public final class Methods {
    /** Key of an experiment, with which the paths of problems begin. */
    private static final String KEY = "method";

    private static final String OVERRIDES = "method_overrides";

    private Methods() {}

    /**
     * @param method name of a preset, path of a YAML file, or a block of switches
     * @param overrides a block of switches laid over it
     * @throws ConfigException if there is no such preset or file, or the switches are not right
     */
    public static AttentionSpec resolve(ConfigNode method, ConfigNode overrides) {
        ConfigNode switches = method.isText() ? named(method) : method;
        return ConfigBinder.bind(switches.withOverrides(overrides), AttentionSpec.class, KEY);
    }

    /**
     * @param method name of a preset, or path of a YAML file that holds the switches and nothing
     *     else
     * @param option the option that named it, for messages
     * @throws ConfigException if there is no such preset or file, or the switches are not right
     */
    public static AttentionSpec resolve(String method, String option) {
        return ConfigBinder.bind(named(ConfigNode.of(method, option)), AttentionSpec.class);
    }

    /**
     * An experiment's text with its method written out: each switch at its place, which says so
     * where it comes from a preset or from {@code method_overrides}.
     *
     * @param experiment right in all it says
     */
    static ConfigNode written(ConfigNode experiment) {
        ConfigNode method = experiment.get(KEY).orElseThrow();
        ConfigNode switches = method;
        if (method.isText()) {
            switches = named(method);
            if (AttentionPresets.NAMES.contains(method.text())) {
                switches = switches.withPlaces(place -> bare(place.source()));
            }
        }
        Optional<ConfigNode> overrides = experiment.get(OVERRIDES);
        if (overrides.isEmpty()) {
            return experiment.replacing(KEY, switches);
        }
        ConfigNode laid = overrides.get().withPlaces(p -> bare(OVERRIDES + " (" + p + ")"));
        return experiment
                .replacing(KEY, switches.withOverrides(laid))
                .replacing(OVERRIDES, laid.withPlaces(p -> bare("laid over the method")));
    }

    private static ConfigNode.Place bare(String source) {
        return new ConfigNode.Place(source, 0, 0);
    }

    /** Presets with the first sentence of what their file says of them. */
    public static Map<String, String> described() {
        Map<String, String> described = new LinkedHashMap<>();
        for (String name : AttentionPresets.NAMES) {
            described.put(name, firstSentence(AttentionPresets.text(name)));
        }
        return described;
    }

    private static ConfigNode named(ConfigNode method) {
        String name = method.text();
        if (AttentionPresets.NAMES.contains(name)) {
            return AttentionPresets.node(name);
        }
        if (name.contains("/") || name.endsWith(".yaml") || Files.exists(Path.of(name))) {
            return ConfigNode.read(Path.of(name));
        }
        ConfigNode.Place place = method.place();
        String message =
                "no preset `"
                        + name
                        + "`"
                        + Nearest.hint(name, AttentionPresets.NAMES)
                        + "; presets are "
                        + String.join(", ", AttentionPresets.NAMES)
                        + "; a file is named by a path with a `/` or ending in .yaml";
        throw new ConfigException(
                List.of(new Problem(place.source(), place.line(), place.column(), KEY, message)));
    }

    private static String firstSentence(String yaml) {
        StringBuilder comment = new StringBuilder();
        yaml.lines()
                .takeWhile(line -> line.startsWith("# "))
                .forEach(line -> comment.append(line.substring(2)).append(' '));
        int end = comment.indexOf(". ");
        return end < 0 ? comment.toString().strip() : comment.substring(0, end);
    }
}
