package dev.tegu.eval;

import dev.tegu.eval.probe.ProbeDocument;
import dev.tegu.eval.probe.RecallDocuments;
import dev.tegu.eval.probe.StableRandom;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

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
        probes(settings).check(tokenizer, maxPositions);
    }

    @Override
    public TaskResult run(EvalInput input, EvalSettings settings, EvalProgress progress) {
        return probes(settings).score(input, settings, progress);
    }

    private ProbeSet probes(EvalSettings settings) {
        RecallSettings recall = settings.recall();
        StableRandom random = new StableRandom(settings.seed());
        List<ProbeDocument> documents =
                IntStream.range(0, settings.limited(recall.samples()))
                        .mapToObj(
                                i ->
                                        RecallDocuments.generate(
                                                random.fork(i),
                                                recall.records(),
                                                recall.questions()))
                        .toList();
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("records", recall.records());
        config.put("questions", recall.questions());
        config.put("samples", recall.samples());
        config.put("beyond", recall.beyond());
        config.put("seed", settings.seed());
        return new ProbeSet(
                name(),
                documents,
                recall.samples(),
                "recall.records",
                recall.records(),
                recall.beyond(),
                config);
    }
}
