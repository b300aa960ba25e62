package dev.tegu.cli.experiment;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigException;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.Problem;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Reads an experiment from its YAML file and what the command line lays over it. */
public final class ExperimentFile {
    /** What problems call values given on the command line. */
    private static final String SET = "--set";

    private ExperimentFile() {}

    /**
     * @param overrides dotted keys and YAML values, laid over the file in this order
     * @throws ConfigException with every problem of file and overrides
     */
    public static ExperimentConfig load(Path file, Map<String, String> overrides) {
        ConfigNode node = ConfigNode.read(file);
        List<Problem> problems = new ArrayList<>();
        for (Map.Entry<String, String> override : overrides.entrySet()) {
            try {
                node = node.with(override.getKey(), override.getValue(), SET);
            } catch (ConfigException e) {
                problems.addAll(e.problems());
            }
        }
        try {
            ExperimentConfig config = ConfigBinder.bind(node, ExperimentConfig.class);
            if (problems.isEmpty()) {
                return config;
            }
        } catch (ConfigException e) {
            problems.addAll(e.problems());
        }
        throw new ConfigException(problems);
    }

    /** The experiment with all its defaults, as YAML that loads to an equal one. */
    public static String effectiveYaml(ExperimentConfig config) {
        return ConfigBinder.toNode(config).toYaml();
    }
}
