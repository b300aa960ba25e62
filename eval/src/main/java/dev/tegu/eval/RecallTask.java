package dev.tegu.eval;

import dev.tegu.eval.probe.ProbeDocument;
import dev.tegu.eval.probe.RecallDocuments;
import dev.tegu.eval.probe.StableRandom;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;

/** Exact-match recall of values from a list of records. Document i depends on the seed and on i. */
final class RecallTask implements EvalTask {
    @Override
    public String name() {
        return "recall";
    }

    @Override
    public String description() {
        return "exact-match recall of values from a list of key-value records";
    }

    @Override
    public boolean needsText() {
        return false;
    }

    @Override
    public void check(
            TextTokenizer tokenizer, EvalData data, EvalSettings settings, int maxPositions) {
        probes(settings, tokenizer, maxPositions).check(tokenizer, maxPositions);
    }

    @Override
    public TaskResult run(EvalInput input, EvalSettings settings, EvalProgress progress) {
        return probes(settings, input.tokenizer(), input.model().maxPositions())
                .score(input, settings, progress);
    }

    private ProbeSet probes(EvalSettings settings, TextTokenizer tokenizer, int positions) {
        RecallSettings recall = settings.recall();
        StableRandom random = new StableRandom(settings.seed());
        List<Integer> lengths = recall.lengths();
        int samples = recall.samples() * Math.max(1, lengths.size());
        List<Integer> wanted = new ArrayList<>();
        List<ProbeDocument> documents = new ArrayList<>();
        for (int i = 0; i < settings.limited(samples); i++) {
            int document = i;
            IntFunction<ProbeDocument> make =
                    records ->
                            RecallDocuments.generate(
                                    random.fork(document), records, recall.questions());
            if (lengths.isEmpty()) {
                documents.add(make.apply(recall.records()));
                continue;
            }
            wanted.add(lengths.get(i % lengths.size()));
            documents.add(
                    ProbeSet.fitting(
                            "recall.lengths",
                            tokenizer,
                            wanted.get(i),
                            positions,
                            recall.questions(),
                            RecallDocuments.MOST,
                            make));
        }
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("records", recall.records());
        config.put("questions", recall.questions());
        config.put("samples", recall.samples());
        config.put("beyond", recall.beyond());
        config.put("lengths", lengths);
        config.put("seed", settings.seed());
        return new ProbeSet(
                name(),
                documents,
                samples,
                "recall.records",
                recall.records(),
                recall.beyond(),
                wanted,
                config);
    }
}
