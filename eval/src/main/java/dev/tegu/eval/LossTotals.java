package dev.tegu.eval;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/**
 * Losses of tokens, and the perplexities made of them: exp(sum of NLL / count), where tokens, words
 * or UTF-8 bytes are counted; bits per byte is the sum over bytes over ln 2.
 *
 * <p>Standard errors take the tokens' NLLs as independent, and are, to first order, the perplexity
 * times the error of the mean NLL. (lm-evaluation-harness gives none for these metrics.)
 *
 * @param losses NLL of each token in nats, at least one
 */
record LossTotals(double[] losses) {
    private static final double LN_2 = Math.log(2);

    /** {@code token_perplexity} and {@code token_nll}. */
    List<Metric> tokens() {
        MeanAndError loss = per(losses.length);
        return List.of(
                perplexity("token_perplexity", loss),
                new Metric("token_nll", loss.mean(), loss.standardError(), false));
    }

    /**
     * {@code word_perplexity}, {@code byte_perplexity} and {@code bits_per_byte}.
     *
     * @param words of the text that the tokens spell, above 0
     * @param bytes of it, above 0
     */
    List<Metric> text(long words, long bytes) {
        List<Metric> metrics = new ArrayList<>();
        metrics.add(perplexity("word_perplexity", per(words)));
        MeanAndError perByte = per(bytes);
        metrics.add(perplexity("byte_perplexity", perByte));
        metrics.add(
                new Metric(
                        "bits_per_byte",
                        perByte.mean() / LN_2,
                        scaled(perByte.standardError(), 1 / LN_2),
                        false));
        return metrics;
    }

    /** Sum of the losses over a count, and its error. */
    private MeanAndError per(long count) {
        MeanAndError loss = MeanAndError.of(losses);
        double scale = (double) losses.length / count;
        return new MeanAndError(loss.mean() * scale, scaled(loss.standardError(), scale));
    }

    private static Metric perplexity(String name, MeanAndError loss) {
        double perplexity = Math.exp(loss.mean());
        return new Metric(name, perplexity, scaled(loss.standardError(), perplexity), false);
    }

    private static OptionalDouble scaled(OptionalDouble error, double scale) {
        return error.isPresent()
                ? OptionalDouble.of(error.getAsDouble() * scale)
                : OptionalDouble.empty();
    }
}
