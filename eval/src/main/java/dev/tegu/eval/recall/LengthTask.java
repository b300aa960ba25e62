package dev.tegu.eval.recall;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.BatchScorer;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalData.NamedText;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalProgress;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.EvalTask;
import dev.tegu.eval.MeanAndError;
import dev.tegu.eval.Metric;
import dev.tegu.eval.Sample;
import dev.tegu.eval.TaskResult;
import dev.tegu.eval.probe.Fit;
import dev.tegu.eval.probe.StableRandom;
import dev.tegu.eval.probe.TokenizedProbe;
import dev.tegu.eval.task.TaskSpec.GenerationKwargs;
import dev.tegu.eval.task.TextWriter;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * A task whose documents have given lengths, and whose answers the model writes itself.
 *
 * <p>A document is the longest of its kind whose prompt, with BOS and room for the answer, takes no
 * more tokens than asked for. Document i depends on the settings, the text, the seed and i alone;
 * lengths and depths take turns, so that a limit leaves some of each.
 *
 * @param source makes the documents
 * @param key of the settings block, for errors
 * @param plan which documents the settings ask for
 */
record LengthTask(ItemSource source, String key, Function<EvalSettings, Plan> plan)
        implements EvalTask {

    /**
     * Which documents are made.
     *
     * @param lengths tokens
     * @param depths depths of the fact; none where the source decides
     * @param samples documents of each length and depth
     */
    record Plan(List<Integer> lengths, List<Double> depths, int samples) {
        int documents() {
            return lengths.size() * Math.max(1, depths.size()) * samples;
        }

        int length(int document) {
            return lengths.get(document / Math.max(1, depths.size()) % lengths.size());
        }

        double depth(int document) {
            return depths.isEmpty() ? Double.NaN : depths.get(document % depths.size());
        }
    }

    /** A document and the ids of its prompt. */
    private record Made(RecallItem item, int length, int[] ids) {}

    @Override
    public String name() {
        return source.name();
    }

    @Override
    public String description() {
        return source.description();
    }

    @Override
    public boolean needsText() {
        return source.needsText();
    }

    @Override
    public void check(
            TextTokenizer tokenizer, EvalData data, EvalSettings settings, int maxPositions) {
        make(tokenizer, data, settings, maxPositions);
    }

    @Override
    public TaskResult run(EvalInput input, EvalSettings settings, EvalProgress progress) {
        Plan grid = plan.apply(settings);
        List<Made> made =
                make(input.tokenizer(), input.data(), settings, input.model().maxPositions());
        BatchScorer.Scored<String> written =
                new TextWriter(input, new GenerationKwargs(List.of(), source.newTokens()))
                        .write(
                                made.stream().map(Made::ids).toList(),
                                settings.batchSize(),
                                name(),
                                progress);
        List<Sample> samples = new ArrayList<>();
        for (int i = 0; i < made.size(); i++) {
            samples.add(sample(i, made.get(i), written.scores().get(i), input.tokenizer()));
        }
        return new TaskResult(
                        name(),
                        1,
                        metrics(grid, samples),
                        grid.documents(),
                        samples.size(),
                        (long) samples.size() * source.newTokens(),
                        config(grid, input.data(), settings),
                        written.timing())
                .withSamples(samples);
    }

    private List<Made> make(
            TextTokenizer tokenizer, EvalData data, EvalSettings settings, int maxPositions) {
        Plan grid = plan.apply(settings);
        for (int length : grid.lengths()) {
            if (length > maxPositions) {
                throw new InvalidValueException(
                        key + ".lengths",
                        length
                                + " tokens are more than the model's "
                                + maxPositions
                                + " positions; leave that length out");
            }
        }
        String text =
                needsText()
                        ? String.join(
                                "\n", data.required(name()).stream().map(NamedText::text).toList())
                        : "";
        if (needsText() && text.isBlank()) {
            throw new IllegalArgumentException("task `" + name() + "`: the text is blank");
        }
        Haystack haystack = new Haystack(text);
        int[] bos = TokenizedProbe.bos(tokenizer);
        StableRandom random = new StableRandom(settings.seed());
        return IntStream.range(0, settings.limited(grid.documents()))
                .mapToObj(
                        i ->
                                made(
                                        new Place(
                                                tokenizer, haystack, grid.length(i), grid.depth(i)),
                                        bos,
                                        random.fork(i)))
                .toList();
    }

    private Made made(Place place, int[] bos, StableRandom random) {
        return Fit.longest(
                        source.smallest(),
                        source.largest(),
                        place.length() - source.newTokens(),
                        size -> {
                            RecallItem item = source.item(place, random.fork(0), size);
                            return new Made(item, place.length(), ids(place, bos, item));
                        },
                        document -> document.ids().length)
                .orElseThrow(() -> tooShort(place, bos, random));
    }

    private static int[] ids(Place place, int[] bos, RecallItem item) {
        int[] text = place.tokenizer().encode(item.prompt(), false);
        return IntStream.concat(IntStream.of(bos), IntStream.of(text)).toArray();
    }

    private InvalidValueException tooShort(Place place, int[] bos, StableRandom random) {
        RecallItem smallest = source.item(place, random.fork(0), source.smallest());
        int needed = ids(place, bos, smallest).length + source.newTokens();
        return new InvalidValueException(
                key + ".lengths",
                place.length()
                        + " tokens cannot hold a document of `"
                        + name()
                        + "`: the shortest takes "
                        + needed
                        + " with this tokenizer, "
                        + source.newTokens()
                        + " of them for the answer; raise that length or leave it out");
    }

    private Sample sample(int index, Made made, String answer, TextTokenizer tokenizer) {
        RecallItem item = made.item();
        Map<String, Object> doc = new LinkedHashMap<>();
        doc.put("index", index);
        doc.put("input", item.context());
        doc.put("outputs", item.references());
        doc.put("length", made.ids().length + source.newTokens());
        doc.put("max_length", made.length());
        doc.put("gen_prefix", item.prefix().strip());
        Map<String, Object> generation = new LinkedHashMap<>();
        generation.put("until", List.of());
        generation.put("max_gen_toks", source.newTokens());
        generation.put("do_sample", false);
        generation.put("temperature", 0.0);
        Map<String, Object> tags = new LinkedHashMap<>();
        tags.put("length", made.length());
        tags.put("tokens", made.ids().length);
        tags.putAll(item.tags());
        if (item.factStart() >= 0) {
            String after = item.prompt().substring(item.factEnd());
            tags.put("distance", tokenizer.encode(after, false).length);
        }
        double score = source.score(item, answer);
        return new Sample(
                index,
                doc,
                item.references().get(0),
                List.of(new Sample.Request(item.prompt(), generation)),
                List.of(answer),
                Map.of("acc", score),
                tags);
    }

    /** Over all documents, then of each length by its number, as the harness names them. */
    private static List<Metric> metrics(Plan grid, List<Sample> samples) {
        List<Metric> metrics = new ArrayList<>();
        metrics.add(metric("acc", samples));
        for (int length : grid.lengths()) {
            List<Sample> own =
                    samples.stream()
                            .filter(sample -> sample.tags().get("length").equals(length))
                            .toList();
            if (!own.isEmpty()) {
                metrics.add(metric(Integer.toString(length), own));
            }
        }
        return metrics;
    }

    private static Metric metric(String name, List<Sample> samples) {
        MeanAndError mean =
                MeanAndError.of(
                        samples.stream().mapToDouble(s -> s.metrics().get("acc")).toArray());
        return new Metric(name, mean.mean(), mean.standardError(), true);
    }

    private Map<String, Object> config(Plan grid, EvalData data, EvalSettings settings) {
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("lengths", grid.lengths());
        if (!grid.depths().isEmpty()) {
            config.put("depths", grid.depths());
        }
        config.put("samples", grid.samples());
        config.put("max_gen_toks", source.newTokens());
        if (needsText()) {
            config.put("texts", data.texts().stream().map(NamedText::name).toList());
        }
        config.put("seed", settings.seed());
        return config;
    }
}
