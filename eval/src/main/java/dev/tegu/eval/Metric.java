package dev.tegu.eval;

import java.util.OptionalDouble;

/**
 * One number of a task.
 *
 * @param name lm-evaluation-harness's name without its filter, for example {@code acc}
 * @param value the number; may be infinite (the perplexity of a text that the model rules out)
 * @param standardError standard error of the number, empty when a single sample gives none
 * @param higherIsBetter whether a larger number is a better one
 */
public record Metric(
        String name, double value, OptionalDouble standardError, boolean higherIsBetter) {
    /** Key in a result file: the name and the filter, of which there is one: {@code acc,none}. */
    public String key() {
        return name + ",none";
    }

    /** Key of the standard error in a result file: {@code acc_stderr,none}. */
    public String standardErrorKey() {
        return name + "_stderr,none";
    }
}
