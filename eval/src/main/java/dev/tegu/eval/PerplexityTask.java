package dev.tegu.eval;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.EvalData.NamedText;
import dev.tegu.eval.probe.TokenizedProbe;
import dev.tegu.model.LanguageModel;
import dev.tegu.model.TokenScores;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * Token perplexity of texts: PPL = exp(mean NLL), NLL = -ln p(token | tokens before it in its
 * window).
 *
 * <p>Each text's tokens without marks, {@code max_tokens} of them at most, are cut into disjoint
 * windows of (context - 1) tokens, the last one possibly shorter. BOS goes before every window when
 * the tokenizer adds one, and then every token is scored exactly once; without BOS the first token
 * of each window has nothing before it and is not scored. So a token sees on average half a window,
 * and the number is higher than one measured with overlapping windows; it depends on the tokenizer
 * and compares models with the same tokenizer and context alone.
 *
 * <p>The standard error takes the tokens' NLLs as independent; that of the perplexity is, to first
 * order, perplexity times standard error of the mean NLL. A sample is a window.
 */
final class PerplexityTask implements EvalTask {
    private static final String CONVENTION =
            "disjoint windows of (context - 1) tokens, each after BOS if the tokenizer adds one;"
                    + " every token scored once; without BOS the first of each window is not";

    @Override
    public String name() {
        return "perplexity";
    }

    @Override
    public String description() {
        return "token perplexity of text files, in disjoint windows";
    }

    @Override
    public boolean needsText() {
        return true;
    }

    @Override
    public TaskResult run(EvalInput input, EvalSettings settings, EvalProgress progress) {
        List<NamedText> texts = input.data().required(name());
        LanguageModel model = input.model();
        int context = Math.min(settings.perplexity().context(), model.maxPositions());
        if (context < 2) {
            throw new IllegalArgumentException(
                    "perplexity: the model takes sequences of one token, nothing can be scored");
        }
        int[] bos = TokenizedProbe.bos(input.tokenizer());
        List<int[]> windows = new ArrayList<>();
        for (NamedText text : texts) {
            int[] ids = input.tokenizer().encode(text.text(), false);
            int length = Math.min(ids.length, settings.perplexity().maxTokens());
            for (int from = 0; from < length; from += context - 1) {
                int[] window = window(bos, ids, from, Math.min(from + context - 1, length));
                if (window.length > 1) {
                    windows.add(window);
                }
            }
        }
        if (windows.isEmpty()) {
            throw new InvalidValueException(
                    "perplexity.max_tokens",
                    "no token to score in " + names(texts) + "; give a longer text or more tokens");
        }
        List<int[]> effective = windows.subList(0, settings.limited(windows.size()));
        BatchScorer.Scored<TokenScores> scored =
                new BatchScorer(input, settings.batchSize(), name(), progress).score(effective);
        double[] losses = losses(scored.scores());
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("context", context);
        config.put("max_tokens", settings.perplexity().maxTokens());
        config.put("bos", bos.length > 0);
        config.put("texts", texts.stream().map(NamedText::name).toList());
        config.put("windows", CONVENTION);
        return new TaskResult(
                name(),
                1,
                metrics(MeanAndError.of(losses)),
                windows.size(),
                effective.size(),
                losses.length,
                config,
                scored.timing());
    }

    private static int[] window(int[] bos, int[] ids, int from, int to) {
        int[] window = Arrays.copyOf(bos, bos.length + to - from);
        System.arraycopy(ids, from, window, bos.length, to - from);
        return window;
    }

    private static double[] losses(List<TokenScores> scores) {
        return scores.stream().flatMapToDouble(PerplexityTask::losses).toArray();
    }

    private static DoubleStream losses(TokenScores scores) {
        return IntStream.range(0, scores.logProbs().length).mapToDouble(t -> -scores.logProbs()[t]);
    }

    private static List<Metric> metrics(MeanAndError loss) {
        double perplexity = Math.exp(loss.mean());
        OptionalDouble error =
                loss.standardError().isPresent()
                        ? OptionalDouble.of(perplexity * loss.standardError().getAsDouble())
                        : OptionalDouble.empty();
        return List.of(
                new Metric("token_perplexity", perplexity, error, false),
                new Metric("token_nll", loss.mean(), loss.standardError(), false));
    }

    private static String names(List<NamedText> texts) {
        return String.join(", ", texts.stream().map(NamedText::name).toList());
    }
}
