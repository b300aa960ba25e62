package dev.tegu.eval;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;

/**
 * How the task {@code perplexity} cuts its texts.
 *
 * @param context longest sequence given to the model, in tokens, BOS included, 2 or more; a model
 *     with fewer positions gets as many as it has
 * @param maxTokens tokens scored of each text at most, from its beginning, 1 or more
 */
public record PerplexitySettings(@Default("2048") int context, @Default("60000") int maxTokens) {
    /**
     * @throws InvalidValueException if a number is out of range
     */
    public PerplexitySettings {
        Ranges.atLeast("context", context, 2);
        Ranges.atLeast("max_tokens", maxTokens, 1);
    }
}
