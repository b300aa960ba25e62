package dev.tegu.eval;

import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import java.util.Optional;

/**
 * How the tasks {@code perplexity} and {@code wikitext} cut their texts.
 *
 * @param context longest sequence given to the model, in tokens, BOS included, 2 or more; a model
 *     with fewer positions gets as many as it has
 * @param maxTokens tokens scored of each text at most, from its beginning, 1 or more; {@code
 *     wikitext} scores whole pages
 * @param convention what each token sees before it; {@code wikitext} is always {@code harness}
 * @param stride tokens that one window is ahead of the one before, {@code 1..context}; for {@code
 *     strided} alone, half the context if not given
 */
public record PerplexitySettings(
        @Default("2048") int context,
        @Default("60000") int maxTokens,
        @Default("disjoint") Convention convention,
        Optional<Integer> stride) {
    /** What a token's window holds. */
    public enum Convention {
        /**
         * Disjoint windows of {@code context - 1} tokens, each after BOS if the tokenizer adds it.
         */
        DISJOINT,
        /**
         * lm-evaluation-harness's {@code loglikelihood_rolling}: windows of {@code context} tokens
         * to rate, the first after BOS (EOS where there is none), others after the token before;
         * the last, shorter one after as many tokens as fit.
         */
        HARNESS,
        /**
         * HuggingFace's "perplexity of fixed-length models": overlapping windows, of each of which
         * the tokens count that no window before had.
         */
        STRIDED
    }

    /**
     * @throws InvalidValueException if a number is out of range, or a stride was given that is not
     *     used
     */
    public PerplexitySettings {
        Ranges.atLeast("context", context, 2);
        Ranges.atLeast("max_tokens", maxTokens, 1);
        if (stride.isPresent() && convention != Convention.STRIDED) {
            throw new InvalidValueException(
                    "stride", "windows of other conventions have none; set convention: strided");
        }
        if (stride.isPresent() && (stride.get() < 1 || stride.get() > context)) {
            throw new InvalidValueException(
                    "stride", "expected 1 to the context, " + context + ", found " + stride.get());
        }
    }

    /** Disjoint windows. */
    public PerplexitySettings(int context, int maxTokens) {
        this(context, maxTokens, Convention.DISJOINT, Optional.empty());
    }
}
