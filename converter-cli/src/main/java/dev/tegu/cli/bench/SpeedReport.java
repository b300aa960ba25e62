package dev.tegu.cli.bench;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.eval.ReportTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * All that one benchmark has measured.
 *
 * @param settings what was measured where, in the order it is to be printed
 * @param training a point a method and stage
 * @param attention points by method, form and length
 * @param decoding points by model and context
 * @param failures what could not be measured, and why
 */
public record SpeedReport(
        ObjectNode settings,
        List<TrainingPoint> training,
        List<BenchPoint> attention,
        List<DecodePoint> decoding,
        List<String> failures) {
    /** Where a benchmark's numbers are kept. */
    public static final String FILE_NAME = "bench.json";

    private static final double MIB = 1 << 20;
    private static final String TEACHER = "teacher";

    /** Takes copies. */
    public SpeedReport {
        training = List.copyOf(training);
        attention = List.copyOf(attention);
        decoding = List.copyOf(decoding);
        failures = List.copyOf(failures);
    }

    /**
     * Keys: {@code settings}, {@code training}, {@code attention}, {@code decoding}, {@code
     * crossing} (by student the context from which it decodes faster than the teacher; null where
     * it never did) and {@code failures}.
     */
    public ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        JsonMapper mapper = new JsonMapper();
        json.set("settings", settings);
        json.set("training", mapper.valueToTree(training));
        json.set("attention", mapper.valueToTree(attention));
        json.set("decoding", mapper.valueToTree(decoding));
        ObjectNode crossings = json.putObject("crossing");
        for (String student : students()) {
            crossings.put(student, crossing(student).orElse(null));
        }
        json.set("failures", mapper.valueToTree(failures));
        return json;
    }

    /**
     * Reads what {@link #json} gave.
     *
     * @throws IOException if it cannot be read, or is something else
     */
    public static SpeedReport read(Path file) throws IOException {
        JsonMapper mapper = new JsonMapper();
        ObjectNode json = mapper.readValue(Files.readString(file), ObjectNode.class);
        return new SpeedReport(
                (ObjectNode) json.required("settings"),
                List.of(mapper.treeToValue(json.required("training"), TrainingPoint[].class)),
                List.of(mapper.treeToValue(json.required("attention"), BenchPoint[].class)),
                List.of(mapper.treeToValue(json.required("decoding"), DecodePoint[].class)),
                List.of(mapper.treeToValue(json.required("failures"), String[].class)));
    }

    private Set<String> students() {
        Set<String> students = new LinkedHashSet<>();
        if (decoding.stream().anyMatch(point -> point.model().equals(TEACHER))) {
            decoding.forEach(point -> students.add(point.model()));
        }
        students.remove(TEACHER);
        return students;
    }

    private Optional<DecodePoint> decoded(String model, int context) {
        return decoding.stream()
                .filter(point -> point.model().equals(model) && point.context() == context)
                .findFirst();
    }

    /** The shortest measured context from which on a student is never slower than the teacher. */
    Optional<Integer> crossing(String student) {
        Optional<Integer> from = Optional.empty();
        for (DecodePoint point : decoding) {
            if (!point.model().equals(student)) {
                continue;
            }
            Optional<DecodePoint> teacher = decoded(TEACHER, point.context());
            if (teacher.isEmpty()) {
                continue;
            }
            boolean faster = point.decodeTokensPerSecond() >= teacher.get().decodeTokensPerSecond();
            from = faster ? from.or(() -> Optional.of(point.context())) : Optional.empty();
        }
        return from;
    }

    /** Tables for people. */
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add(
                settings.path("hardware").asText()
                        + ", "
                        + settings.path("dtype").asText()
                        + ", "
                        + settings.path("shape").asText());
        if (!training.isEmpty()) {
            lines.add("");
            lines.addAll(trainingTable());
        }
        if (!attention.isEmpty()) {
            lines.add("");
            lines.addAll(new BenchReport(settings, attention).lines());
        }
        if (!decoding.isEmpty()) {
            lines.add("");
            lines.addAll(decodingTable());
            for (String student : students()) {
                lines.add(
                        crossing(student)
                                .map(
                                        context ->
                                                student
                                                        + " decodes as fast as the teacher or faster"
                                                        + (" from a context of " + count(context)))
                                .orElse(
                                        student
                                                + " does not decode faster than the teacher at these"
                                                + " contexts"));
            }
        }
        failures.forEach(failure -> lines.add("not measured: " + failure));
        return lines;
    }

    private List<String> trainingTable() {
        List<String> header =
                List.of(
                        "method",
                        "stage",
                        "tokens/step",
                        "tokens/s",
                        "slowest",
                        "fastest",
                        "planned MiB",
                        "warm MiB",
                        "end MiB",
                        "peak MiB");
        List<List<String>> rows = new ArrayList<>();
        for (TrainingPoint p : training) {
            rows.add(
                    List.of(
                            p.method(),
                            p.stage(),
                            count((double) p.tokensPerStep()),
                            count(p.tokensPerSecond()),
                            count(p.slowestTokensPerSecond()),
                            count(p.fastestTokensPerSecond()),
                            mib(p.plannedBytes()),
                            mib(p.warmBytes()),
                            mib(p.endBytes()),
                            mib(p.peakBytes())));
        }
        return new ReportTable(header, 2, rows).text().lines().toList();
    }

    private List<String> decodingTable() {
        List<String> header =
                List.of(
                        "model",
                        "context",
                        "prefill tokens/s",
                        "decode tokens/s",
                        "state MiB",
                        "peak MiB");
        List<List<String>> rows = new ArrayList<>();
        for (DecodePoint p : decoding) {
            rows.add(
                    List.of(
                            p.model(),
                            count(p.context()),
                            p.prefillTokensPerSecond() == null
                                    ? "-"
                                    : count(p.prefillTokensPerSecond()),
                            count(p.decodeTokensPerSecond()),
                            String.format(Locale.ROOT, "%,.1f", p.stateBytes() / MIB),
                            mib(p.peakBytes())));
        }
        return new ReportTable(header, 1, rows).text().lines().toList();
    }

    private static String count(double number) {
        return String.format(Locale.ROOT, "%,.0f", number);
    }

    private static String mib(Long bytes) {
        return bytes == null ? "-" : count(bytes / MIB);
    }
}
