package dev.tegu.eval;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One measured item: a line of lm-evaluation-harness's samples file.
 *
 * @param docId index of the item in its data, from 0, before a limit
 * @param doc the item as the data has it, values as JSON has them
 * @param target the right answer as text, as the harness writes it: of a choice its index
 * @param requests what the model was asked, in order, at least one
 * @param responses what it answered, one entry a request, values as JSON has them: {@code [logprob,
 *     is_greedy]} of a continuation, {@code [logprob]} of a rolling one, a text where it wrote one
 * @param metrics this item's value of each metric, by the metric's name; what the harness keeps as
 *     a pair (log-likelihood and its weight) stands there as the ratio
 * @param tags ours, beyond the harness: what pictures and groups need, for example {@code subject},
 *     {@code length} (tokens), {@code depth} (0..1), {@code distance} (tokens)
 */
public record Sample(
        int docId,
        Map<String, Object> doc,
        String target,
        List<Request> requests,
        List<Object> responses,
        Map<String, Double> metrics,
        Map<String, Double> weights,
        Map<String, Object> tags) {

    /**
     * What the model was asked.
     *
     * @param context the text before
     * @param continuation the text to rate, empty where the model writes one itself or the whole
     *     context is rated
     * @param generation how it writes ({@code until}, {@code max_gen_toks}), as JSON has values;
     *     empty where it rates
     */
    public record Request(String context, String continuation, Map<String, Object> generation) {
        /** Keeps the order of the map. */
        public Request {
            generation = ordered(generation);
        }

        /** To rate a continuation. */
        public Request(String context, String continuation) {
            this(context, continuation, Map.of());
        }

        /** To write on. */
        public Request(String context, Map<String, Object> generation) {
            this(context, "", generation);
        }
    }

    /**
     * Copies, keeping the order of the maps.
     *
     * @throws IllegalArgumentException if there are not as many responses as requests, or none
     */
    public Sample {
        doc = ordered(doc);
        requests = List.copyOf(requests);
        responses = List.copyOf(responses);
        metrics = ordered(metrics);
        weights = ordered(weights);
        tags = ordered(tags);
        if (requests.isEmpty() || requests.size() != responses.size()) {
            throw new IllegalArgumentException(
                    "document "
                            + docId
                            + ": expected one response a request, found "
                            + responses.size()
                            + " and "
                            + requests.size());
        }
    }

    /** Of metrics that are means. */
    public Sample(
            int docId,
            Map<String, Object> doc,
            String target,
            List<Request> requests,
            List<Object> responses,
            Map<String, Double> metrics,
            Map<String, Object> tags) {
        this(docId, doc, target, requests, responses, metrics, Map.of(), tags);
    }

    private static <T> Map<String, T> ordered(Map<String, T> map) {
        return Collections.unmodifiableMap(new LinkedHashMap<>(map));
    }
}
