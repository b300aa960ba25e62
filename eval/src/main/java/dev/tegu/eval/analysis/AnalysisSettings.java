package dev.tegu.eval.analysis;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.EvalSettings;

/**
 * How much an analysis reads.
 *
 * @param context tokens of a sequence, 2 or more; models with fewer positions get as many as they
 *     have
 * @param limit sequences of the text at most, 1 or more
 * @param needles documents with a needle, 0 or more; without any nothing is said of retrieval
 * @param characters length of the passage around a needle, 100 or more
 * @param seed of the needles
 */
public record AnalysisSettings(int context, int limit, int needles, int characters, long seed) {
    /** Sequences, where nobody says how many. */
    public static final int DEFAULT_LIMIT = 8;

    /** Documents with a needle, where nobody says how many. */
    public static final int DEFAULT_NEEDLES = 20;

    /**
     * @throws InvalidValueException if a number is out of range
     */
    public AnalysisSettings {
        atLeast("context", context, 2);
        atLeast("limit", limit, 1);
        atLeast("needles", needles, 0);
        atLeast("characters", characters, 100);
    }

    /** As much as an evaluation reads of its texts, but for what the defaults here say. */
    public static AnalysisSettings of(EvalSettings settings) {
        return new AnalysisSettings(
                settings.perplexity().context(),
                settings.limit().orElse(DEFAULT_LIMIT),
                Math.min(DEFAULT_NEEDLES, settings.limit().orElse(DEFAULT_NEEDLES)),
                settings.needle().characters(),
                settings.seed());
    }

    private static void atLeast(String key, int value, int min) {
        if (value < min) {
            throw new InvalidValueException(key, "expected " + min + " or more, found " + value);
        }
    }
}
