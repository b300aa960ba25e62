package dev.tegu.eval;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.probe.Fit;
import dev.tegu.eval.probe.ProbeDocument;
import dev.tegu.eval.probe.TokenizedProbe;
import dev.tegu.model.TokenScores;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntFunction;

/**
 * The documents of one task, scored by exact match: an answer counts when greedy decoding, after
 * the true text before it, would give exactly its tokens. What the model would write after the
 * answer is not looked at.
 *
 * <p>Accuracy is the mean over documents of the share of right answers; its standard error is that
 * of the documents' shares, so several questions about one document do not count as independent.
 *
 * @param task name of the task
 * @param documents the documents to score, at least one
 * @param originalSamples number of documents before a limit
 * @param lengthKey setting that makes documents shorter, relative to {@link EvalSettings}
 * @param length the setting's value, for the error
 * @param beyond distances of which questions further away are counted on their own as well
 * @param lengths tokens that each document was made for, none if they were not
 * @param config settings that the numbers depend on
 */
record ProbeSet(
        String task,
        List<ProbeDocument> documents,
        int originalSamples,
        String lengthKey,
        int length,
        List<Integer> beyond,
        List<Integer> lengths,
        Map<String, Object> config) {

    /**
     * @param positions tokens that the model takes
     * @throws InvalidValueException for the {@code lengthKey} if a document is longer than that;
     *     for the task's {@code beyond} if no question is that far away
     */
    void check(TextTokenizer tokenizer, int positions) {
        tokenized(tokenizer, positions);
    }

    private List<TokenizedProbe> tokenized(TextTokenizer tokenizer, int positions) {
        List<TokenizedProbe> probes =
                documents.stream().map(document -> TokenizedProbe.of(tokenizer, document)).toList();
        checkLength(probes, positions);
        for (int distance : beyond) {
            if (probes.stream().noneMatch(probe -> probe.reaches(distance))) {
                throw new InvalidValueException(
                        task + ".beyond",
                        "no question's answer stands "
                                + distance
                                + " tokens or more away; lower the distance or raise `"
                                + lengthKey
                                + "`");
            }
        }
        return probes;
    }

    /**
     * @throws InvalidValueException as {@link #check} does
     */
    TaskResult score(EvalInput input, EvalSettings settings, EvalProgress progress) {
        List<TokenizedProbe> probes = tokenized(input.tokenizer(), input.model().maxPositions());
        BatchScorer.Scored<TokenScores> scored =
                new BatchScorer(input, settings.batchSize(), task, progress)
                        .score(probes.stream().map(TokenizedProbe::ids).toList());
        long scoredTokens = 0;
        for (TokenizedProbe probe : probes) {
            for (TokenizedProbe.Span span : probe.answers()) {
                scoredTokens += span.to() - span.from();
            }
        }
        List<Metric> metrics = new ArrayList<>();
        metrics.add(accuracy("acc", probes, scored.scores(), 0));
        for (int distance : beyond) {
            metrics.add(accuracy("acc_beyond_" + distance, probes, scored.scores(), distance));
        }
        return new TaskResult(
                        task,
                        1,
                        metrics,
                        originalSamples,
                        probes.size(),
                        scoredTokens,
                        config,
                        scored.timing())
                .withSamples(samples(probes, scored.scores()));
    }

    /**
     * The document of the largest size that takes no more tokens than asked for, its answers
     * included.
     *
     * @param make the document of a size
     * @throws InvalidValueException if not even the smallest fits, or the model takes fewer tokens
     */
    static ProbeDocument fitting(
            String key,
            TextTokenizer tokenizer,
            int length,
            int positions,
            int smallest,
            int largest,
            IntFunction<ProbeDocument> make) {
        if (length > positions) {
            throw new InvalidValueException(
                    key,
                    length
                            + " tokens are more than the model's "
                            + positions
                            + " positions; leave that length out");
        }
        return Fit.longest(
                        smallest,
                        largest,
                        length,
                        make,
                        document -> TokenizedProbe.of(tokenizer, document).ids().length)
                .orElseThrow(
                        () ->
                                new InvalidValueException(
                                        key,
                                        length
                                                + " tokens cannot hold a document of this text;"
                                                + " raise that length or leave it out"));
    }

    private List<Sample> samples(List<TokenizedProbe> probes, List<TokenScores> scores) {
        List<Sample> samples = new ArrayList<>();
        for (int i = 0; i < probes.size(); i++) {
            ProbeDocument document = documents.get(i);
            List<Sample.Request> requests = new ArrayList<>();
            List<Object> responses = new ArrayList<>();
            StringBuilder before = new StringBuilder(document.context());
            for (int j = 0; j < document.questions().size(); j++) {
                ProbeDocument.Question question = document.questions().get(j);
                TokenizedProbe.Span span = probes.get(i).answers().get(j);
                before.append(question.prompt());
                requests.add(new Sample.Request(before.toString(), question.answer()));
                responses.add(
                        List.of(
                                scores.get(i).logProb(span.from(), span.to()),
                                scores.get(i).isGreedy(span.from(), span.to())));
                before.append(question.answer());
            }
            ProbeDocument.Question first = document.questions().get(0);
            samples.add(
                    new Sample(
                            i,
                            Map.of("text", document.text()),
                            first.answer(),
                            requests,
                            responses,
                            Map.of("acc", probes.get(i).exactShare(scores.get(i), 0).orElseThrow()),
                            tags(i, probes.get(i))));
        }
        return samples;
    }

    private Map<String, Object> tags(int index, TokenizedProbe probe) {
        ProbeDocument document = documents.get(index);
        Map<String, Object> tags = new LinkedHashMap<>();
        if (!lengths.isEmpty()) {
            tags.put("length", lengths.get(index));
        }
        tags.put("tokens", probe.ids().length);
        int factEnd = document.questions().get(0).factEnd();
        tags.put("depth", (double) factEnd / document.context().length());
        tags.put("distance", probe.answers().get(0).distance());
        return tags;
    }

    /** Over the questions whose fact is at least that far away, documents without one left out. */
    private Metric accuracy(
            String name, List<TokenizedProbe> probes, List<TokenScores> scores, int distance) {
        List<Double> shares = new ArrayList<>();
        for (int i = 0; i < probes.size(); i++) {
            probes.get(i).exactShare(scores.get(i), distance).ifPresent(shares::add);
        }
        MeanAndError accuracy =
                MeanAndError.of(shares.stream().mapToDouble(Double::doubleValue).toArray());
        return new Metric(name, accuracy.mean(), accuracy.standardError(), true);
    }

    private void checkLength(List<TokenizedProbe> probes, int positions) {
        int longest = probes.stream().mapToInt(probe -> probe.ids().length).max().orElseThrow();
        if (longest > positions) {
            throw new InvalidValueException(
                    lengthKey,
                    String.format(
                            Locale.ROOT,
                            "with %d the longest document has %d tokens and the model takes %d;"
                                    + " lower `%s`",
                            length,
                            longest,
                            positions,
                            lengthKey));
        }
    }
}
