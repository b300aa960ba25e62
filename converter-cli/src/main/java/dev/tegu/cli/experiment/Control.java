package dev.tegu.cli.experiment;

import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.InvalidValueException;
import dev.tegu.config.Nearest;
import dev.tegu.model.StateSize;

/**
 * A training-free model beside teacher and student: {@code untrained}, the method at its start
 * values; a preset, which takes the method's window size; or a preset followed by {@code @state},
 * whose window is as large as the bytes of the method's state allow.
 *
 * @param preset name of the preset, or {@code untrained}
 * @param atEqualState whether the window grows to the method's state
 */
public record Control(String preset, boolean atEqualState) {
    private static final String UNTRAINED = "untrained";
    private static final String AT_STATE = "@state";

    /**
     * @param name as an experiment names it
     * @throws InvalidValueException if there is no such control
     */
    public static Control of(String name) {
        boolean equal = name.endsWith(AT_STATE);
        String preset = equal ? name.substring(0, name.length() - AT_STATE.length()) : name;
        if (preset.equals(UNTRAINED) && !equal) {
            return new Control(preset, false);
        }
        if (!AttentionPresets.NAMES.contains(preset)) {
            throw new InvalidValueException(
                    "controls",
                    "`"
                            + name
                            + "` is neither `untrained` nor a preset"
                            + Nearest.hint(preset, AttentionPresets.NAMES));
        }
        if (equal && AttentionPresets.spec(preset).isLinear()
                || equal && AttentionPresets.spec(preset).window().size() == 0) {
            throw new InvalidValueException(
                    "controls",
                    "`"
                            + name
                            + "`: only a window can be made as large as a state; write"
                            + " `window-only@state` or `window-sinks@state`");
        }
        return new Control(preset, equal);
    }

    /**
     * The control's switches.
     *
     * @param method the student's
     */
    public AttentionSpec spec(AttentionSpec method, AttentionShape shape) {
        if (preset.equals(UNTRAINED)) {
            return method;
        }
        AttentionSpec own = AttentionPresets.spec(preset);
        ConfigNode node = AttentionPresets.node(preset);
        int window = method.window().size();
        if (atEqualState) {
            int tokens = StateSize.equalWindow(method, shape) - own.window().keepFirst();
            window = Math.max(1, tokens);
        }
        if (window > 0 && own.window().size() > 0) {
            node = node.with("window.size", String.valueOf(window), "the student's window");
        }
        return ConfigBinder.bind(node, AttentionSpec.class);
    }
}
