package dev.tegu.cli.experiment;

import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;

/**
 * An experiment that has been read and found right.
 *
 * @param config its settings
 * @param method the switches that {@code method} and {@code method_overrides} come to
 * @param given what was written, for where each value came from: under {@code method} the switches
 */
public record Experiment(ExperimentConfig config, AttentionSpec method, ConfigNode given) {

    /**
     * All settings with their defaults, the method written out: YAML that loads to an equal
     * experiment whatever becomes of presets and files. Behind each value stands, as a comment,
     * where it came from.
     */
    public String effectiveYaml() {
        ExperimentConfig effective =
                new ExperimentConfig(
                        config.teacher(),
                        ConfigBinder.toNode(method),
                        ConfigNode.parse("{}", "method_overrides"),
                        config.output(),
                        config.seed(),
                        config.device(),
                        config.dtype(),
                        config.data(),
                        config.matrixOrientation(),
                        config.attentionTransfer(),
                        config.loraFinetune(),
                        config.eval(),
                        config.controls(),
                        config.export());
        return ConfigBinder.toNode(effective, given).toYamlWithPlaces();
    }
}
