package dev.tegu.eval;

import dev.tegu.checkpoint.Sha256;
import dev.tegu.tokenizer.PythonFloat;
import dev.tegu.tokenizer.PythonJson;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Samples as lines of lm-evaluation-harness's {@code samples_TASK_TIMESTAMP.jsonl}: its keys in its
 * order, numbers of responses as Python's {@code str} of them, hashes as it makes them. Our {@code
 * tags} stand last, where there are some.
 */
final class SampleJson {
    /** Digests of one sample: of the document, of the first request's context, of the target. */
    private record Hashes(String doc, String prompt, String target) {
        static Hashes of(Sample sample) {
            return new Hashes(
                    sha256(PythonJson.dumps(sample.doc(), 2)),
                    sha256(sample.requests().get(0).context()),
                    sha256(sample.target()));
        }
    }

    private SampleJson() {}

    /** One line, without its end. */
    static String line(Sample sample) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("doc_id", sample.docId());
        line.put("doc", sample.doc());
        line.put("target", sample.target());
        Map<String, Object> arguments = new LinkedHashMap<>();
        for (int i = 0; i < sample.requests().size(); i++) {
            arguments.put("gen_args_" + i, arguments(sample.requests().get(i)));
        }
        line.put("arguments", arguments);
        List<Object> responses = sample.responses().stream().map(SampleJson::texts).toList();
        line.put("resps", responses.stream().map(List::of).toList());
        line.put("filtered_resps", responses);
        line.put("filter", "none");
        line.put("metrics", new ArrayList<>(sample.metrics().keySet()));
        Hashes hashes = Hashes.of(sample);
        line.put("doc_hash", hashes.doc());
        line.put("prompt_hash", hashes.prompt());
        line.put("target_hash", hashes.target());
        sample.metrics().forEach((name, value) -> line.put(name, value(sample, name, value)));
        if (!sample.tags().isEmpty()) {
            line.put("tags", sample.tags());
        }
        return PythonJson.dumps(line);
    }

    /** The harness's {@code task_hashes} entry: the digest of all its samples' digests. */
    static String taskHash(List<Sample> samples) {
        return sha256(
                samples.stream()
                        .map(Hashes::of)
                        .map(hashes -> hashes.doc() + hashes.prompt() + hashes.target())
                        .collect(Collectors.joining()));
    }

    private static Map<String, Object> arguments(Sample.Request request) {
        Map<String, Object> arguments = new LinkedHashMap<>();
        arguments.put("arg_0", request.context());
        if (!request.generation().isEmpty()) {
            arguments.put("arg_1", request.generation());
        } else if (!request.continuation().isEmpty()) {
            arguments.put("arg_1", request.continuation());
        }
        return arguments;
    }

    private static Object value(Sample sample, String name, double value) {
        Double weight = sample.weights().get(name);
        return weight == null ? value : List.of(value, weight);
    }

    /** What the harness's {@code sanitize_list} leaves: every part as text. */
    private static Object texts(Object response) {
        if (response instanceof List<?> list) {
            return list.stream().map(SampleJson::texts).toList();
        }
        if (response instanceof Boolean bool) {
            return bool ? "True" : "False";
        }
        if (response instanceof Double || response instanceof Float) {
            return PythonFloat.repr(((Number) response).doubleValue());
        }
        return String.valueOf(response);
    }

    private static String sha256(String text) {
        return Sha256.hex(text.getBytes(StandardCharsets.UTF_8));
    }
}
