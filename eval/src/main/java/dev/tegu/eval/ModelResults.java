package dev.tegu.eval;

import java.util.List;
import java.util.OptionalLong;

/**
 * All results of one model.
 *
 * @param name name in the report, for example {@code teacher} or {@code student without window}
 * @param stateBytes bytes of attention state that decoding keeps for a sequence; for softmax
 *     attention, whose cache grows, those of a full context. Empty when not known
 * @param settings the settings of the run
 * @param results one result a task, in order
 */
public record ModelResults(
        String name, OptionalLong stateBytes, EvalSettings settings, List<TaskResult> results) {
    /** Copies the list. */
    public ModelResults {
        results = List.copyOf(results);
    }
}
