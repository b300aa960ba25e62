package dev.tegu.eval;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.Default;

/**
 * Settings of the recall tasks by length; their keys stand among those of {@link EvalSettings}.
 *
 * @param mqar of that task
 * @param passkey of {@code passkey} and {@code passkey_5}
 * @param ruler of the tasks of RULER
 */
public record LongContextSettings(
        @Default("{}") MqarSettings mqar,
        @Default("{}") PasskeySettings passkey,
        @Default("{}") RulerSettings ruler) {
    /** All defaults. */
    static final LongContextSettings DEFAULTS =
            ConfigBinder.bind(ConfigNode.parse("{}", "defaults"), LongContextSettings.class);
}
