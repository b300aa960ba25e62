package dev.tegu.cli.experiment;

import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigException;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.Problem;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/** Reads an experiment from its YAML file and what the command line lays over it. */
public final class ExperimentFile {
    /** What problems call values given on the command line. */
    private static final String SET = "--set";

    private final List<Problem> problems = new ArrayList<>();

    private ExperimentFile() {}

    /**
     * @param overrides dotted keys and YAML values, laid over the file in this order
     * @throws ConfigException with every problem of file, overrides and method
     */
    public static Experiment load(Path file, Map<String, String> overrides) {
        return new ExperimentFile().read(ConfigNode.read(file), overrides);
    }

    private Experiment read(ConfigNode file, Map<String, String> overrides) {
        ConfigNode node = file;
        for (Map.Entry<String, String> override : overrides.entrySet()) {
            ConfigNode base = node;
            node =
                    collect(() -> base.with(override.getKey(), override.getValue(), SET))
                            .orElse(base);
        }
        ConfigNode whole = node;
        Optional<ExperimentConfig> config =
                collect(() -> ConfigBinder.bind(whole, ExperimentConfig.class));
        Optional<AttentionSpec> method = whole.get("method").flatMap(m -> method(m, whole));
        if (!problems.isEmpty()) {
            throw new ConfigException(Problem.inOrder(problems));
        }
        return new Experiment(config.orElseThrow(), method.orElseThrow(), Methods.written(whole));
    }

    private Optional<AttentionSpec> method(ConfigNode method, ConfigNode whole) {
        ConfigNode none = ConfigNode.parse("{}", SET);
        ConfigNode overrides =
                whole.get("method_overrides")
                        .filter(o -> o.kind() == ConfigNode.Kind.MAPPING)
                        .orElse(none);
        return collect(() -> Methods.resolve(method, overrides));
    }

    private <T> Optional<T> collect(Supplier<T> step) {
        try {
            return Optional.of(step.get());
        } catch (ConfigException e) {
            problems.addAll(e.problems());
            return Optional.empty();
        }
    }
}
