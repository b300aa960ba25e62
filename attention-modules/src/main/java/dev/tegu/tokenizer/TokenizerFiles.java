package dev.tegu.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.StrictJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;

/**
 * The tokenizer of a folder as its files together mean it, read as transformers 5 reads them.
 *
 * <p>{@code tokenizer.json} says how text becomes pieces and which marks go around it; {@code
 * tokenizer_config.json} adds {@linkplain AddedTokens tokens}. Its {@code add_bos_token} and {@code
 * add_eos_token} count where there is no {@code tokenizer.json} alone, and {@code
 * clean_up_tokenization_spaces} not at all: transformers 5 ignores it too, but for WordPiece.
 *
 * @param json what stands in {@code tokenizer.json}, or would
 * @param isChanged whether {@code json} is other than the file
 * @param vocabulary of {@code json}
 * @param marks ids of the marks
 */
record TokenizerFiles(ObjectNode json, boolean isChanged, Vocabulary vocabulary, SpecialIds marks) {
    static final String TOKENIZER = "tokenizer.json";
    private static final String CONFIG = "tokenizer_config.json";
    private static final String MARKS = "special_tokens_map.json";

    /**
     * @throws CheckpointException if there is no {@code tokenizer.json} and none can be made of the
     *     older files, or one of the files is damaged
     */
    static TokenizerFiles read(Path dir) throws IOException {
        ObjectNode config = readIfThere(dir.resolve(CONFIG));
        ObjectNode map = readIfThere(dir.resolve(MARKS));
        map.properties().stream()
                .filter(mark -> !config.has(mark.getKey()))
                .forEach(mark -> config.set(mark.getKey(), mark.getValue()));
        Path file = dir.resolve(TOKENIZER);
        boolean isThere = Files.isRegularFile(file);
        ObjectNode json =
                isThere
                        ? StrictJson.read(file)
                        : VocabularyFiles.read(dir, config).orElseThrow(() -> missing(dir));
        Vocabulary vocabulary = Vocabulary.of(json);
        boolean isChanged = AddedTokens.merge(json, config, vocabulary);
        SpecialIds marks = SpecialIds.read(dir, config, vocabulary);
        if (!isThere) {
            json.set("post_processor", around(json, config, marks));
        }
        return new TokenizerFiles(json, isChanged || !isThere, vocabulary, marks);
    }

    private static ObjectNode readIfThere(Path file) throws IOException {
        return Files.isRegularFile(file) ? StrictJson.read(file) : StrictJson.object();
    }

    /** The marks that {@code add_bos_token} and {@code add_eos_token} ask for. */
    private static ObjectNode around(ObjectNode json, ObjectNode config, SpecialIds marks) {
        ObjectNode template = json.objectNode().put("type", "TemplateProcessing");
        ObjectNode tokens = json.objectNode();
        ArrayNode single = template.putArray("single");
        if (config.path("add_bos_token").asBoolean(false)) {
            mark("bos", marks.bos(), single, tokens);
        }
        single.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
        if (config.path("add_eos_token").asBoolean(false)) {
            mark("eos", marks.eos(), single, tokens);
        }
        // pairs are never encoded; the library asks for a rule nevertheless
        ArrayNode pair = template.putArray("pair");
        for (String text : List.of("A", "B")) {
            pair.addObject().putObject("Sequence").put("id", text).put("type_id", 0);
        }
        template.set("special_tokens", tokens);
        return template;
    }

    private static void mark(String name, OptionalInt id, ArrayNode single, ObjectNode tokens) {
        if (id.isPresent()) {
            single.addObject().putObject("SpecialToken").put("id", name).put("type_id", 0);
            ObjectNode token = tokens.putObject(name).put("id", name);
            token.putArray("ids").add(id.getAsInt());
            token.putArray("tokens").add(name);
        }
    }

    private static CheckpointException missing(Path dir) {
        boolean canConvert =
                Files.exists(dir.resolve("tokenizer.model"))
                        || Files.exists(dir.resolve(VocabularyFiles.VOCABULARY));
        String next =
                canConvert
                        ? "make one from the older files with transformers:"
                                + " `AutoTokenizer.from_pretrained(folder).save_pretrained(folder)`"
                        : "fetch it from where the model came from";
        return new CheckpointException(dir + ": no " + TOKENIZER + "; " + next);
    }
}
