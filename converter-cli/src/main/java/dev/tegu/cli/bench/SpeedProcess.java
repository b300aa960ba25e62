package dev.tegu.cli.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.engine.MemoryShortage;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * Does one {@link SpeedJob} in a process of its own, so that the memory of one is not that of
 * another: libtorch gives nothing of a card back before its process ends.
 */
public final class SpeedProcess {
    private static final int LINES = 3;
    private static final String ERROR = "error";
    private static final JsonMapper JSON = new JsonMapper();

    private SpeedProcess() {}

    /**
     * Prints each point of a job, given as JSON, as one line of JSON; where it fails, a last line
     * with the key {@code error}.
     */
    public static void main(String[] words) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        SpeedJob job = SpeedJob.parse(words[0]);
        try {
            if (job.work() == SpeedJob.Work.DECODING) {
                DecodingSpeed.measure(
                        job, point -> out.println(JSON.valueToTree(point).toString()));
            } else {
                out.println(JSON.valueToTree(TrainingSpeed.measure(job)).toString());
            }
        } catch (RuntimeException e) {
            out.println(JSON.createObjectNode().put(ERROR, failure(job, e)));
        }
    }

    /** One line: what failed, and where memory did not do, what to change. */
    static String failure(SpeedJob job, RuntimeException e) {
        return MemoryShortage.in(e)
                .map(shortage -> shortage.describe() + "; try " + advice(job))
                .orElseGet(() -> oneLine(String.valueOf(e.getMessage())));
    }

    /** What to change where memory does not do, the least first. */
    private static String advice(SpeedJob job) {
        if (job.work() == SpeedJob.Work.DECODING) {
            return "a smaller `--decode-batch`, or shorter `--contexts`";
        }
        boolean keepsAll =
                job.work() == SpeedJob.Work.LORA_FINETUNE && !job.gradientCheckpointing();
        return (keepsAll ? "`--gradient-checkpointing`, or " : "")
                + "a smaller `--batch-size`, or a shorter `--sequence-length`";
    }

    /** Messages of the engine have many lines; the first ones say what it is about. */
    private static String oneLine(String message) {
        return message.lines()
                .map(String::strip)
                .filter(line -> !line.isEmpty())
                .limit(LINES)
                .collect(Collectors.joining(" "));
    }

    /**
     * Measures in a new process.
     *
     * @param type of the points
     * @param listener hears of each point once it is measured
     * @return why not all of it was measured; empty if it was
     */
    public static <T> Optional<String> run(SpeedJob job, Class<T> type, Consumer<T> listener)
            throws IOException {
        String name = job.name() + ", " + job.work().name().toLowerCase(Locale.ROOT);
        List<String> errors = new ArrayList<>();
        try {
            ChildProcess.run(
                    SpeedProcess.class,
                    List.of(job.text()),
                    line -> {
                        JsonNode json = JSON.readTree(line);
                        if (json.has(ERROR)) {
                            errors.add(name + ": " + json.get(ERROR).asText());
                        } else {
                            listener.accept(JSON.treeToValue(json, type));
                        }
                    },
                    code -> name + ": the measuring process ended with code " + code);
        } catch (IllegalStateException e) {
            errors.add(e.getMessage());
        }
        return errors.stream().findFirst();
    }
}
