package dev.tegu.eval;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.EvalData.NamedText;
import dev.tegu.eval.probe.NeedleDocuments;
import dev.tegu.eval.probe.ProbeDocument;
import dev.tegu.eval.probe.StableRandom;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;

/**
 * Exact-match retrieval of a number hidden in running text. Document i depends on the seed, the
 * text and i alone; depths are spread evenly over every number of documents.
 */
final class NeedleTask implements EvalTask {
    /** Steps of the golden ratio cover 0 to 1 evenly however many are taken. */
    private static final double GOLDEN = (Math.sqrt(5) - 1) / 2;

    @Override
    public String name() {
        return "needle";
    }

    @Override
    public String description() {
        return "exact-match retrieval of a number hidden in running text";
    }

    @Override
    public boolean needsText() {
        return true;
    }

    @Override
    public void check(
            TextTokenizer tokenizer, EvalData data, EvalSettings settings, int maxPositions) {
        probes(data, settings, tokenizer, maxPositions).check(tokenizer, maxPositions);
    }

    @Override
    public TaskResult run(EvalInput input, EvalSettings settings, EvalProgress progress) {
        return probes(input.data(), settings, input.tokenizer(), input.model().maxPositions())
                .score(input, settings, progress);
    }

    private ProbeSet probes(
            EvalData data, EvalSettings settings, TextTokenizer tokenizer, int positions) {
        NeedleSettings needle = settings.needle();
        List<NamedText> texts = data.required(name());
        NeedleDocuments source =
                new NeedleDocuments(
                        String.join("\n", texts.stream().map(NamedText::text).toList()));
        StableRandom random = new StableRandom(settings.seed());
        List<Integer> lengths = needle.lengths();
        int samples = needle.samples() * Math.max(1, lengths.size());
        List<Integer> wanted = new ArrayList<>();
        List<ProbeDocument> documents = new ArrayList<>();
        for (int i = 0; i < settings.limited(samples); i++) {
            int document = i;
            int turn = i / Math.max(1, lengths.size());
            double depth = (0.5 + turn * GOLDEN) % 1;
            IntFunction<ProbeDocument> make =
                    characters -> source.generate(random.fork(document), characters, depth);
            try {
                if (lengths.isEmpty()) {
                    documents.add(make.apply(needle.characters()));
                    continue;
                }
                int length = lengths.get(i % lengths.size());
                wanted.add(length);
                documents.add(
                        ProbeSet.fitting(
                                "needle.lengths",
                                tokenizer,
                                length,
                                positions,
                                length / 2,
                                source.characters(),
                                make));
            } catch (InvalidValueException e) {
                throw e;
            } catch (IllegalArgumentException e) {
                String key = lengths.isEmpty() ? "needle.characters" : "needle.lengths";
                throw new InvalidValueException(key, e.getMessage());
            }
        }
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("characters", needle.characters());
        config.put("samples", needle.samples());
        config.put("texts", texts.stream().map(NamedText::name).toList());
        config.put("beyond", needle.beyond());
        config.put("lengths", lengths);
        config.put("seed", settings.seed());
        return new ProbeSet(
                name(),
                documents,
                samples,
                "needle.characters",
                needle.characters(),
                needle.beyond(),
                wanted,
                config);
    }
}
