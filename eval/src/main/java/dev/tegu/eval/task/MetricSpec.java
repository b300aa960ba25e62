package dev.tegu.eval.task;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A number that a task reports.
 *
 * @param metric which
 * @param aggregation what makes one number of many; there is one for each metric, and naming
 *     another is an error
 * @param higherIsBetter as {@code aggregation}
 * @param ignoreCase of {@code exact_match}: large and small letters are the same
 * @param ignorePunctuation of {@code exact_match}: ASCII punctuation does not count
 */
public record MetricSpec(
        MetricKind metric,
        Optional<String> aggregation,
        Optional<Boolean> higherIsBetter,
        @Default("false") boolean ignoreCase,
        @Default("false") boolean ignorePunctuation) {
    /** What Python's {@code string.punctuation} holds. */
    private static final Pattern PUNCTUATION = Pattern.compile("\\p{Punct}");

    /**
     * @throws InvalidValueException if a key does not fit the metric
     */
    public MetricSpec {
        boolean perplexity = metric == MetricKind.PERPLEXITY;
        String needed = perplexity ? "perplexity" : "mean";
        if (!aggregation.orElse(needed).equals(needed)) {
            throw new InvalidValueException(
                    "aggregation", "`" + metric.word() + "` has `" + needed + "` and no other");
        }
        if (higherIsBetter.orElse(!perplexity) == perplexity) {
            throw new InvalidValueException(
                    "higher_is_better", "`" + metric.word() + "` has " + !perplexity);
        }
        if (metric != MetricKind.EXACT_MATCH && (ignoreCase || ignorePunctuation)) {
            throw new InvalidValueException(
                    ignoreCase ? "ignore_case" : "ignore_punctuation",
                    "only `exact_match` compares texts");
        }
    }

    /** The text as it is compared. */
    String compared(String text) {
        String letters = ignoreCase ? text.toLowerCase(Locale.ROOT) : text;
        return ignorePunctuation ? PUNCTUATION.matcher(letters).replaceAll("") : letters;
    }
}
