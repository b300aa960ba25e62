package dev.tegu.eval;

import dev.tegu.eval.EvalData.NamedText;
import dev.tegu.eval.TextWindows.Window;
import dev.tegu.model.TokenScores;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * lm-evaluation-harness's task {@code wikitext} over files of WikiText: every page detokenized and
 * rated in rolling windows; words and bytes are those of the page as it stands in the file, with
 * its tokens spaced out. A sample is a page.
 *
 * <p>Published numbers are of WikiText-2 raw with the model's own context, which is {@code
 * perplexity.context} here. A file with {@code <unk>} for rare words is not that text; the result
 * has their count.
 */
final class WikiTextTask implements EvalTask {
    private static final String UNKNOWN = "<unk>";

    /** A page and the windows of its detokenized text. */
    private record Page(String page, String text, List<Window> windows) {}

    @Override
    public String name() {
        return "wikitext";
    }

    @Override
    public String description() {
        return "word and byte perplexity of WikiText pages, as lm-evaluation-harness";
    }

    @Override
    public boolean needsText() {
        return true;
    }

    @Override
    public TaskResult run(EvalInput input, EvalSettings settings, EvalProgress progress) {
        List<NamedText> texts = input.data().required(name());
        int context = Math.min(settings.perplexity().context(), input.model().maxPositions());
        int prefix = TextWindows.prefix(input.tokenizer(), name());
        List<String> all =
                texts.stream().flatMap(text -> WikiText.pages(text.text()).stream()).toList();
        if (all.isEmpty()) {
            throw new IllegalArgumentException(
                    "wikitext: the texts are blank; give a file of WikiText");
        }
        List<Page> pages =
                all.subList(0, settings.limited(all.size())).stream()
                        .map(page -> page(page, input, prefix, context))
                        .toList();
        List<Window> windows = pages.stream().flatMap(page -> page.windows().stream()).toList();
        BatchScorer.Scored<TokenScores> scored =
                new BatchScorer(input, settings.batchSize(), name(), progress)
                        .score(windows.stream().map(Window::ids).toList());
        double[] losses =
                IntStream.range(0, windows.size())
                        .mapToObj(i -> windows.get(i).losses(scored.scores().get(i)))
                        .flatMapToDouble(DoubleStream::of)
                        .toArray();
        LossTotals totals = new LossTotals(losses);
        long words = pages.stream().mapToLong(page -> Words.count(page.page())).sum();
        long bytes = pages.stream().mapToLong(page -> Words.bytes(page.page())).sum();
        List<Metric> metrics = new ArrayList<>(totals.text(words, bytes));
        metrics.addAll(totals.tokens());
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("context", context);
        config.put("prefix_token", prefix);
        config.put("texts", texts.stream().map(NamedText::name).toList());
        config.put("unknown_words", pages.stream().mapToLong(page -> unknown(page.page())).sum());
        return new TaskResult(
                        name(),
                        2,
                        metrics,
                        all.size(),
                        pages.size(),
                        losses.length,
                        config,
                        scored.timing())
                .withSamples(samples(pages, scored.scores()));
    }

    private static Page page(String page, EvalInput input, int prefix, int context) {
        String text = WikiText.detokenized(page);
        int[] ids = input.tokenizer().encode(text, false);
        return new Page(page, text, TextWindows.rolling(ids, prefix, context));
    }

    private static long unknown(String page) {
        return page.split(UNKNOWN, -1).length - 1L;
    }

    private static List<Sample> samples(List<Page> pages, List<TokenScores> scores) {
        List<Sample> samples = new ArrayList<>();
        int next = 0;
        for (int i = 0; i < pages.size(); i++) {
            Page page = pages.get(i);
            double sum = 0;
            int tokens = 0;
            for (Window window : page.windows()) {
                sum += scores.get(next++).logProb(window.scoredFrom(), window.ids().length);
                tokens += window.scored();
            }
            Map<String, Double> metrics = new LinkedHashMap<>();
            Map<String, Double> weights = new LinkedHashMap<>();
            for (String metric : List.of("word_perplexity", "byte_perplexity", "bits_per_byte")) {
                metrics.put(metric, sum);
                weights.put(
                        metric,
                        (double)
                                (metric.startsWith("word")
                                        ? Words.count(page.page())
                                        : Words.bytes(page.page())));
            }
            samples.add(
                    new Sample(
                            i,
                            Map.of("page", page.page()),
                            page.text(),
                            List.of(new Sample.Request(page.text(), "")),
                            List.of(sum),
                            metrics,
                            weights,
                            Map.of("length", tokens)));
        }
        return samples;
    }
}
