package dev.tegu.distill.metrics;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.Durable;
import dev.tegu.distill.Losses;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * The file {@code metrics.jsonl}: one JSON object a line, written through as it happens.
 *
 * <pre>
 * {"stage":"attention_transfer","step":1,"loss":0.5,"learning_rate":0.001,"tokens":2048,
 *     "gradient_norm":0.75,"parts":{"layers.0":{"loss":0.5,"relative":0.125}}}
 * {"stage":"attention_transfer","step":100,"validation_loss":0.25,"parts":{"layers.0":...}}
 * </pre>
 *
 * <p>{@code parts} stands where a loss has some, and {@code relative} where a part has it. A number
 * that is not finite is written as the string {@code "NaN"}, {@code "Infinity"} or {@code
 * "-Infinity"}, since JSON has no such numbers. Lines hold no times, so equal runs give equal
 * files, however often they were killed and resumed.
 *
 * <p>Each line is handed to the system at once, so it outlives the process. The disk is waited for
 * before each checkpoint is written, so a checkpoint that survives a power cut has its lines.
 */
public final class MetricsLog implements TrainingListener, AutoCloseable {
    private static final JsonMapper MAPPER = new JsonMapper();

    private final Path file;
    private final FileChannel channel;

    private MetricsLog(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /**
     * Starts a new file.
     *
     * @throws IOException if the file exists, or cannot be made
     */
    public static MetricsLog create(Path file) throws IOException {
        MetricsLog log =
                new MetricsLog(
                        file,
                        FileChannel.open(
                                file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE));
        try {
            Durable.syncFolder(file.toAbsolutePath().getParent());
        } catch (IOException e) {
            log.close();
            throw e;
        }
        return log;
    }

    /**
     * Goes on with a file after a resume: what it says of steps that will be taken again is cut off
     * with all that follows, and so is a last line that a crash left unfinished. Where none of its
     * lines is cut, lines of later stages stay: those cut their own. A missing file is begun.
     *
     * @param stage the stage that goes on
     * @param step the last step of it that counts; 0 for none, its first measurement included
     * @throws IOException if the file cannot be read or written, or a line of it is not ours
     */
    public static MetricsLog resume(Path file, String stage, long step) throws IOException {
        if (!Durable.exists(file)) {
            return create(file);
        }
        long keep = bytesUpTo(file, stage, step);
        FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE);
        try {
            channel.truncate(keep);
            channel.position(keep);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
        return new MetricsLog(file, channel);
    }

    @Override
    public void stepFinished(Step step) {
        ObjectNode line = line(step.stage(), step.step());
        line.put("loss", step.losses().total());
        line.put("learning_rate", step.learningRate());
        line.put("tokens", step.tokens());
        line.put("gradient_norm", step.gradientNorm());
        putParts(line, step.losses());
        append(line);
    }

    @Override
    public void validated(Validation validation) {
        ObjectNode line = line(validation.stage(), validation.step());
        line.put("validation_loss", validation.losses().total());
        putParts(line, validation.losses());
        append(line);
    }

    @Override
    public void saving(String stage) {
        try {
            channel.force(true);
        } catch (IOException e) {
            throw failed(e);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    private static ObjectNode line(String stage, long step) {
        return JsonNodeFactory.instance.objectNode().put("stage", stage).put("step", step);
    }

    private static void putParts(ObjectNode line, Losses losses) {
        if (losses.parts().isEmpty()) {
            return;
        }
        ObjectNode parts = line.putObject("parts");
        for (Losses.Part part : losses.parts()) {
            ObjectNode entry = parts.putObject(part.name());
            entry.put("loss", part.loss());
            if (!Double.isNaN(part.relative())) {
                entry.put("relative", part.relative());
            }
        }
    }

    private void append(ObjectNode line) {
        try {
            ByteBuffer bytes =
                    StandardCharsets.UTF_8.encode(MAPPER.writeValueAsString(line) + "\n");
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private UncheckedIOException failed(IOException e) {
        return new UncheckedIOException(
                new IOException(file + ": cannot be written: " + e.getMessage(), e));
    }

    private static long bytesUpTo(Path file, String stage, long step) throws IOException {
        long end = 0;
        try (BufferedReader reader = Files.newBufferedReader(file)) {
            int number = 0;
            for (String line = nextWhole(reader); line != null; line = nextWhole(reader)) {
                JsonNode entry = parse(line, file + ":" + ++number);
                boolean ofStage = entry.path("stage").asText().equals(stage);
                boolean counts = step > 0 && entry.path("step").asLong() <= step;
                if (ofStage && !counts) {
                    break;
                }
                end += line.getBytes(StandardCharsets.UTF_8).length + 1L;
            }
        }
        return end;
    }

    /** A line that its line feed closes, or null. */
    private static String nextWhole(BufferedReader reader) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int next = reader.read(); next >= 0; next = reader.read()) {
            if (next == '\n') {
                return line.toString();
            }
            line.append((char) next);
        }
        return null;
    }

    private static JsonNode parse(String line, String place) throws IOException {
        try {
            JsonNode entry = MAPPER.readTree(line);
            if (entry.path("stage").isTextual() && entry.path("step").isIntegralNumber()) {
                return entry;
            }
        } catch (JsonProcessingException e) {
            throw new IOException(place + ": not a line of metrics: " + e.getOriginalMessage(), e);
        }
        throw new IOException(place + ": not a line of metrics: `stage` or `step` is missing");
    }
}
