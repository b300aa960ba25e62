package dev.tegu.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.StrictJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.NavigableSet;
import java.util.OptionalInt;
import java.util.TreeSet;

/**
 * Ids of the marks around a text.
 *
 * <p>The tokenizer's own files come first, since they are what its authors encode with; {@code
 * config.json} and {@code generation_config.json} are asked where those say nothing. A mark that is
 * {@code null} in {@code tokenizer_config.json} is one that the model has not.
 *
 * @param stops every id that ends a text, in any of the files
 */
record SpecialIds(OptionalInt bos, OptionalInt eos, NavigableSet<Integer> stops) {

    private static final List<String> MODEL_FILES =
            List.of("config.json", "generation_config.json");

    /**
     * @param tokenizer the marks by name, {@code bos_token} and so on, as the tokenizer's own files
     *     have them
     */
    static SpecialIds read(Path dir, ObjectNode tokenizer, Vocabulary vocabulary)
            throws IOException {
        List<ObjectNode> model = readPresent(dir, MODEL_FILES);
        OptionalInt eos = find("eos", tokenizer, model, vocabulary);
        NavigableSet<Integer> stops = new TreeSet<>();
        eos.ifPresent(stops::add);
        for (ObjectNode file : model) {
            stops.addAll(ids(file.path("eos_token_id")));
        }
        OptionalInt bos = find("bos", tokenizer, model, vocabulary);
        return new SpecialIds(bos, eos, Collections.unmodifiableNavigableSet(stops));
    }

    private static List<ObjectNode> readPresent(Path dir, List<String> names) throws IOException {
        List<ObjectNode> files = new ArrayList<>();
        for (String name : names) {
            if (Files.isRegularFile(dir.resolve(name))) {
                files.add(StrictJson.read(dir.resolve(name)));
            }
        }
        return files;
    }

    private static OptionalInt find(
            String mark, ObjectNode tokenizer, List<ObjectNode> model, Vocabulary vocabulary) {
        JsonNode token = tokenizer.get(mark + "_token");
        if (token != null) {
            JsonNode text = token.isObject() ? token.path("content") : token;
            return text.isTextual() ? vocabulary.idOf(text.asText()) : OptionalInt.empty();
        }
        for (ObjectNode file : model) {
            List<Integer> ids = ids(file.path(mark + "_token_id"));
            if (!ids.isEmpty()) {
                return OptionalInt.of(ids.get(0));
            }
        }
        return OptionalInt.empty();
    }

    /** One id, a list of ids, or none. */
    private static List<Integer> ids(JsonNode value) {
        List<Integer> ids = new ArrayList<>();
        if (value.isInt()) {
            ids.add(value.intValue());
        }
        value.forEach(item -> ids.addAll(ids(item)));
        return ids;
    }
}
