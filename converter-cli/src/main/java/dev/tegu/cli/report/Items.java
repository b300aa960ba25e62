package dev.tegu.cli.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.cli.InputException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * The items of a samples file: of each its metrics, and what guessing would get. An item is named
 * by the digests of its document, prompt and answer, so that files of two models meet at the same
 * questions, whatever limit or order they were measured with; equal ones by their count.
 *
 * @param metrics by item, then by metric; of a perplexity the loss
 * @param chance mean over the items of 1 / choices; empty where it is no multiple choice
 */
record Items(Map<String, Map<String, Double>> metrics, OptionalDouble chance) {
    private static final JsonMapper MAPPER = new JsonMapper();

    static Items none() {
        return new Items(Map.of(), OptionalDouble.empty());
    }

    /**
     * Reads line by line: such files hold whole prompts and are large.
     *
     * @throws InputException if a line is not one of a samples file
     */
    static Items read(Path file) throws IOException {
        Map<String, Map<String, Double>> items = new LinkedHashMap<>();
        Map<String, Integer> seen = new HashMap<>();
        double chances = 0;
        boolean isChoice = true;
        try (BufferedReader lines = Files.newBufferedReader(file)) {
            int number = 0;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                JsonNode item = parse(line, file + ":" + ++number);
                String hash =
                        item.path("doc_hash").asText()
                                + item.path("prompt_hash").asText()
                                + item.path("target_hash").asText();
                int count = seen.merge(hash + item.path("filter").asText(), 1, Integer::sum);
                items.computeIfAbsent(hash + " " + count, key -> new HashMap<>())
                        .putAll(metrics(item));
                int choices = choices(item.path("arguments"));
                isChoice &= choices > 1;
                chances += 1.0 / choices;
            }
            return new Items(
                    items,
                    isChoice && number > 0
                            ? OptionalDouble.of(chances / number)
                            : OptionalDouble.empty());
        }
    }

    private static JsonNode parse(String line, String place) {
        try {
            JsonNode item = MAPPER.readTree(line);
            if (item.path("doc_hash").isTextual() && item.path("metrics").isArray()) {
                return item;
            }
        } catch (JsonProcessingException e) {
            throw new InputException(place + ": not a line of a samples file", e);
        }
        throw new InputException(
                place + ": not a line of a samples file: no `doc_hash` or `metrics`");
    }

    private static Map<String, Double> metrics(JsonNode item) {
        Map<String, Double> metrics = new HashMap<>();
        for (JsonNode name : item.path("metrics")) {
            JsonNode value = item.path(name.asText());
            double sign = isLogLikelihood(name.asText()) ? -1 : 1;
            if (value.isArray() && value.size() == 2) {
                // a sum and its weight
                double mean = value.get(0).asDouble() / value.get(1).asDouble();
                metrics.put(name.asText(), sign * mean);
            } else if (value.isNumber()) {
                metrics.put(name.asText(), sign * value.asDouble());
            }
        }
        return metrics;
    }

    /** lm-evaluation-harness keeps these of an item by its log-likelihood; compared is its loss. */
    private static boolean isLogLikelihood(String metric) {
        return metric.endsWith("perplexity") || metric.equals("bits_per_byte");
    }

    /**
     * How many answers the item offers: several of one question, or several questions of one
     * answer. 1 where the requests are questions of their own.
     */
    private static int choices(JsonNode arguments) {
        boolean sameContext = true;
        boolean sameAnswer = true;
        JsonNode first = arguments.path("gen_args_0");
        for (JsonNode request : arguments) {
            sameContext &= request.path("arg_0").equals(first.path("arg_0"));
            sameAnswer &= request.path("arg_1").equals(first.path("arg_1"));
        }
        return sameContext || sameAnswer ? Math.max(1, arguments.size()) : 1;
    }
}
