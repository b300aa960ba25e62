package dev.tegu.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.StrictJson;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A byte-level BPE of the older form, {@code vocab.json} and {@code merges.txt}, as a {@code
 * tokenizer.json}.
 *
 * <p>The two files do not say how a text is cut before pieces are merged; the tokenizer's class
 * does. Two are known, GPT-2's and Qwen2's: a resource each, {@code NAME.json}.
 */
final class VocabularyFiles {
    static final String VOCABULARY = "vocab.json";

    private static final String END_OF_TEXT = "<|endoftext|>";

    /**
     * A class of transformers.
     *
     * @param resource what its {@code tokenizer.json} has beside the vocabulary
     * @param marks those that it has where the files name none; all are {@code <|endoftext|>}
     */
    private record Kind(String resource, List<String> marks) {

        static Optional<Kind> of(String name) {
            return switch (name) {
                case "GPT2Tokenizer", "GPT2TokenizerFast", "gpt2" ->
                        Optional.of(new Kind("gpt2.json", List.of("bos_token", "eos_token")));
                case "Qwen2Tokenizer", "Qwen2TokenizerFast", "qwen2", "qwen3" ->
                        Optional.of(new Kind("qwen2.json", List.of("eos_token", "pad_token")));
                default -> Optional.empty();
            };
        }

        ObjectNode json() throws IOException {
            try (InputStream in = VocabularyFiles.class.getResourceAsStream(resource)) {
                return (ObjectNode) new JsonMapper().readTree(in);
            }
        }
    }

    private VocabularyFiles() {}

    /**
     * @param config {@code tokenizer_config.json}; gets the marks of the class that it leaves out
     * @return what would stand in {@code tokenizer.json}, but for added tokens; none if there are
     *     no such files, or the class is not known
     * @throws CheckpointException if a line of {@code merges.txt} is not a pair
     */
    static Optional<ObjectNode> read(Path dir, ObjectNode config) throws IOException {
        Path vocabulary = dir.resolve(VOCABULARY);
        Path merges = dir.resolve("merges.txt");
        if (!Files.isRegularFile(vocabulary) || !Files.isRegularFile(merges)) {
            return Optional.empty();
        }
        Optional<Kind> kind = Kind.of(className(dir, config));
        if (kind.isEmpty()) {
            return Optional.empty();
        }
        for (String mark : kind.get().marks()) {
            if (!config.has(mark)) {
                config.put(mark, END_OF_TEXT);
            }
        }
        ObjectNode json = kind.get().json();
        byteLevel(json).put("add_prefix_space", config.path("add_prefix_space").asBoolean(false));
        ObjectNode model = (ObjectNode) json.get("model");
        model.set("vocab", StrictJson.read(vocabulary));
        readMerges(merges, model.putArray("merges"));
        return Optional.of(json);
    }

    private static String className(Path dir, ObjectNode config) throws IOException {
        String name = config.path("tokenizer_class").asText("");
        Path model = dir.resolve("config.json");
        if (name.isEmpty() && Files.isRegularFile(model)) {
            return StrictJson.read(model).path("model_type").asText("");
        }
        return name;
    }

    private static ObjectNode byteLevel(ObjectNode json) {
        JsonNode step = json.get("pre_tokenizer");
        JsonNode steps = step.path("pretokenizers");
        return (ObjectNode) (steps.isEmpty() ? step : steps.get(steps.size() - 1));
    }

    private static void readMerges(Path file, ArrayNode merges) throws IOException {
        List<String> lines = Files.readAllLines(file);
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            if (line.startsWith("#version") || line.isEmpty()) {
                continue;
            }
            String[] pair = line.split(" ", -1);
            if (pair.length != 2) {
                throw new CheckpointException(
                        file
                                + (":" + (i + 1) + ": expected two pieces with a space between")
                                + (" them, found `" + line + "`; fetch the file again"));
            }
            merges.addArray().add(pair[0]).add(pair[1]);
        }
    }
}
