package dev.tegu.config;

import java.util.List;
import java.util.stream.Collectors;

/** All the faults found in one configuration, together, in the order of the text. */
public final class ConfigException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient List<Problem> problems;

    /**
     * @param problems at least one fault
     */
    public ConfigException(List<Problem> problems) {
        super(problems.stream().map(Problem::toString).collect(Collectors.joining("\n")));
        this.problems = List.copyOf(problems);
    }

    /** The faults, in the order of the text. */
    public List<Problem> problems() {
        return problems;
    }
}
