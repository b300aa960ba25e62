package dev.tegu.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The files of a run's output, to be compared with another's. */
final class RunFiles {
    private RunFiles() {}

    /**
     * Bytes of every file by its name, but for the settings and the report, which hold the output's
     * name, and TensorBoard's files, which hold times; those of an evaluation are left out.
     */
    static Map<String, String> of(Path output) throws IOException {
        Map<String, String> all = new TreeMap<>();
        try (Stream<Path> walk = Files.walk(output)) {
            for (Path file : walk.filter(Files::isRegularFile).toList()) {
                String name = output.relativize(file).toString();
                boolean isText = name.endsWith(".jsonl") || name.endsWith(".json");
                boolean isItsOwn =
                        name.equals("config.effective.yaml")
                                || name.contains("report.html")
                                || name.startsWith("tensorboard");
                if (!isItsOwn) {
                    all.put(
                            name,
                            isText
                                    ? withoutTimes(name, Files.readString(file))
                                    : HexFormat.of().formatHex(Files.readAllBytes(file)));
                }
            }
        }
        return all;
    }

    private static String withoutTimes(String name, String text) throws IOException {
        if (!name.startsWith("eval/") || !name.endsWith(".json")) {
            return text;
        }
        ObjectNode json = (ObjectNode) new JsonMapper().readTree(text);
        json.remove("timings");
        return json.toPrettyString();
    }

    /**
     * What is seen of a running process's work: files of the first levels, and lines of metrics.
     */
    static List<String> state(Path output) throws IOException {
        List<String> state = new ArrayList<>();
        for (String folder :
                List.of(
                        "",
                        "checkpoints/matrix_orientation",
                        "checkpoints/attention_transfer",
                        "checkpoints/lora_finetune")) {
            try (Stream<Path> files = Files.list(output.resolve(folder))) {
                files.forEach(file -> state.add(file.getFileName().toString()));
            } catch (NoSuchFileException e) {
                state.add("no folder");
            }
        }
        try {
            state.add(Files.size(output.resolve("metrics.jsonl")) + " bytes");
        } catch (NoSuchFileException e) {
            state.add("no metrics");
        }
        return state;
    }
}
