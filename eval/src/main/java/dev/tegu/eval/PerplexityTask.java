package dev.tegu.eval;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.EvalData.NamedText;
import dev.tegu.eval.TextWindows.Window;
import dev.tegu.eval.probe.TokenizedProbe;
import dev.tegu.model.TokenScores;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * Perplexity of texts: PPL = exp(mean NLL), NLL = -ln p(token | tokens before it in its window), of
 * tokens, words and bytes, and bits per byte.
 *
 * <p>Each text's tokens without marks, {@code max_tokens} of them at most, are cut into windows by
 * the {@link PerplexitySettings.Convention}. The more of a token's past its window holds, the lower
 * the number: compare numbers of one convention and context alone; those of tokens, of one
 * tokenizer alone. Words are the parts between white space of the text that the tokens spell. Where
 * the first token of each window is not rated (disjoint windows without BOS; windows that do not
 * overlap), words and bytes would be divided into too little, and their metrics are left out.
 *
 * <p>A sample is a window. The standard error takes the tokens' NLLs as independent.
 */
final class PerplexityTask implements EvalTask {
    /** A window and the text that it is of. */
    private record Part(NamedText text, Window window) {}

    /** All windows of one text. */
    private record Cut(NamedText text, int[] ids, List<Window> windows) {}

    @Override
    public String name() {
        return "perplexity";
    }

    @Override
    public String description() {
        return "perplexity of text files, by token, word and byte; in disjoint windows, as"
                + " lm-evaluation-harness, or strided";
    }

    @Override
    public boolean needsText() {
        return true;
    }

    @Override
    public TaskResult run(EvalInput input, EvalSettings settings, EvalProgress progress) {
        List<NamedText> texts = input.data().required(name());
        int context = Math.min(settings.perplexity().context(), input.model().maxPositions());
        if (context < 2) {
            throw new IllegalArgumentException(
                    "perplexity: the model takes sequences of one token, nothing can be scored");
        }
        List<Cut> cuts =
                texts.stream()
                        .map(text -> cut(text, input.tokenizer(), settings.perplexity(), context))
                        .toList();
        List<Part> parts =
                cuts.stream()
                        .flatMap(cut -> cut.windows().stream().map(w -> new Part(cut.text(), w)))
                        .toList();
        if (parts.isEmpty()) {
            throw new InvalidValueException(
                    "perplexity.max_tokens",
                    "no token to score in " + names(texts) + "; give a longer text or more tokens");
        }
        List<Part> effective = parts.subList(0, settings.limited(parts.size()));
        BatchScorer.Scored<TokenScores> scored =
                new BatchScorer(input, settings.batchSize(), name(), progress)
                        .score(effective.stream().map(part -> part.window().ids()).toList());
        List<double[]> losses =
                IntStream.range(0, effective.size())
                        .mapToObj(i -> effective.get(i).window().losses(scored.scores().get(i)))
                        .toList();
        double[] all = losses.stream().flatMapToDouble(DoubleStream::of).toArray();
        LossTotals totals = new LossTotals(all);
        List<Metric> metrics = new ArrayList<>(totals.tokens());
        if (ratesEveryToken(input.tokenizer(), settings.perplexity(), context)) {
            metrics.addAll(textMetrics(totals, cuts, effective.size(), input.tokenizer()));
        }
        return new TaskResult(
                        name(),
                        1,
                        metrics,
                        parts.size(),
                        effective.size(),
                        all.length,
                        config(input.tokenizer(), settings.perplexity(), context, texts),
                        scored.timing())
                .withSamples(samples(effective, losses, input.tokenizer()));
    }

    private Cut cut(
            NamedText text, TextTokenizer tokenizer, PerplexitySettings settings, int context) {
        int[] ids = tokenizer.encode(text.text(), false);
        int[] kept = Arrays.copyOf(ids, Math.min(ids.length, settings.maxTokens()));
        List<Window> windows =
                switch (settings.convention()) {
                    case DISJOINT ->
                            TextWindows.disjoint(kept, TokenizedProbe.bos(tokenizer), context);
                    case HARNESS ->
                            TextWindows.rolling(
                                    kept, TextWindows.prefix(tokenizer, name()), context);
                    case STRIDED ->
                            TextWindows.strided(
                                    kept,
                                    TokenizedProbe.bos(tokenizer),
                                    context,
                                    stride(settings, context));
                };
        return new Cut(text, ids, windows);
    }

    private static int stride(PerplexitySettings settings, int context) {
        return Math.min(settings.stride().orElse(Math.max(1, context / 2)), context);
    }

    /** But perhaps for the first of a text. */
    private static boolean ratesEveryToken(
            TextTokenizer tokenizer, PerplexitySettings settings, int context) {
        return switch (settings.convention()) {
            case DISJOINT -> TokenizedProbe.bos(tokenizer).length > 0;
            case HARNESS -> true;
            case STRIDED -> stride(settings, context) < context;
        };
    }

    /** Of the beginnings of the texts that the first windows reach over. */
    private static List<Metric> textMetrics(
            LossTotals totals, List<Cut> cuts, int windows, TextTokenizer tokenizer) {
        long words = 0;
        long bytes = 0;
        int left = windows;
        for (Cut cut : cuts) {
            int used = Math.min(left, cut.windows().size());
            left -= used;
            if (used > 0) {
                int end = cut.windows().get(used - 1).textEnd();
                String text =
                        end == cut.ids().length
                                ? cut.text().text()
                                : tokenizer.decode(Arrays.copyOf(cut.ids(), end), false);
                words += Words.count(text);
                bytes += Words.bytes(text);
            }
        }
        return totals.text(words, bytes);
    }

    private static List<Sample> samples(
            List<Part> parts, List<double[]> losses, TextTokenizer tokenizer) {
        List<Sample> samples = new ArrayList<>();
        for (int i = 0; i < parts.size(); i++) {
            Window window = parts.get(i).window();
            String text = tokenizer.decode(window.scoredIds(), false);
            Map<String, Object> doc = new LinkedHashMap<>();
            doc.put("file", parts.get(i).text().name());
            doc.put("text", text);
            double sum = DoubleStream.of(losses.get(i)).sum();
            samples.add(
                    new Sample(
                            i,
                            doc,
                            text,
                            List.of(new Sample.Request(text, "")),
                            List.of(-sum),
                            Map.of("token_nll", sum),
                            Map.of("token_nll", (double) window.scored()),
                            Map.of("length", window.scored())));
        }
        return samples;
    }

    private static Map<String, Object> config(
            TextTokenizer tokenizer,
            PerplexitySettings settings,
            int context,
            List<NamedText> texts) {
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("convention", settings.convention().name().toLowerCase(Locale.ROOT));
        config.put("context", context);
        if (settings.convention() == PerplexitySettings.Convention.STRIDED) {
            config.put("stride", stride(settings, context));
        }
        config.put("max_tokens", settings.maxTokens());
        config.put("bos", TokenizedProbe.bos(tokenizer).length > 0);
        config.put("texts", texts.stream().map(NamedText::name).toList());
        return config;
    }

    private static String names(List<NamedText> texts) {
        return String.join(", ", texts.stream().map(NamedText::name).toList());
    }
}
