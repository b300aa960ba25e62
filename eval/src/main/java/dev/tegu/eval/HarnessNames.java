package dev.tegu.eval;

import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoField;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/** Names and settings as lm-evaluation-harness writes them, so that its readers find them. */
final class HarnessNames {
    /** What its {@code sanitize_model_name} replaces, a run of them by two underscores. */
    private static final Pattern NOT_IN_NAMES = Pattern.compile("[\"<>:/|\\\\?*\\[\\]]+");

    private static final DateTimeFormatter SECONDS =
            DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH-mm-ss", Locale.ROOT);

    private HarnessNames() {}

    /** A model's folder of results. */
    static String model(String name) {
        return NOT_IN_NAMES.matcher(name).replaceAll("__");
    }

    /**
     * A time in file names: Python's {@code datetime.isoformat()} with dashes for colons, so with
     * microseconds, or without them where there are none.
     */
    static String timestamp(LocalDateTime time) {
        int micros = time.get(ChronoField.MICRO_OF_SECOND);
        return SECONDS.format(time)
                + (micros == 0 ? "" : String.format(Locale.ROOT, ".%06d", micros));
    }

    /**
     * A task's entry of {@code configs}: the task's own settings and the keys that readers of the
     * harness's files count on, unless the task has them: {@code task}, {@code output_type}, {@code
     * num_fewshot}, {@code metric_list}.
     */
    static Map<String, Object> config(TaskResult result) {
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("task", result.task());
        config.put("output_type", outputType(result.samples()));
        config.put("num_fewshot", result.shots());
        config.put("metric_list", result.metrics().stream().map(HarnessNames::metric).toList());
        config.putAll(result.config());
        return config;
    }

    private static Map<String, Object> metric(Metric metric) {
        Map<String, Object> entry = new LinkedHashMap<>();
        entry.put("metric", metric.name());
        entry.put("higher_is_better", metric.higherIsBetter());
        return entry;
    }

    /** The harness's kind of question; of a task whose samples are not kept, it is not known. */
    private static String outputType(List<Sample> samples) {
        if (samples.isEmpty()) {
            return "unknown";
        }
        List<Sample.Request> requests = samples.get(0).requests();
        Sample.Request first = requests.get(0);
        if (!first.generation().isEmpty()) {
            return "generate_until";
        }
        if (first.continuation().isEmpty()) {
            return "loglikelihood_rolling";
        }
        return requests.size() > 1 ? "multiple_choice" : "loglikelihood";
    }
}
