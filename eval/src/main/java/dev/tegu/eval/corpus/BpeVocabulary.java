package dev.tegu.eval.corpus;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * A trained byte-level BPE tokenizer, to be written in the format of HuggingFace's {@code
 * tokenizers}.
 *
 * @param tokens the token of every id: {@link #MARKS}, 256 byte characters, merged tokens
 * @param merges the merges in the order in which they apply
 */
public record BpeVocabulary(List<String> tokens, List<Merge> merges) {
    /** Begin-of-text mark, id 0, which the tokenizer puts before every text. */
    public static final String BEGIN = "<|begin_of_text|>";

    /** End-of-text mark, id 1. */
    public static final String END = "<|end_of_text|>";

    static final List<String> MARKS = List.of(BEGIN, END);

    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** Two tokens that become one. */
    public record Merge(String left, String right) {}

    /** Copies the lists. */
    public BpeVocabulary {
        tokens = List.copyOf(tokens);
        merges = List.copyOf(merges);
    }

    /** Number of ids, {@code 0..size-1}. */
    public int size() {
        return tokens.size();
    }

    /**
     * Writes {@code tokenizer.json} and {@code tokenizer_config.json}: digits stand alone, BOS is
     * added by the post-processor, the marks are recognised in text. The same vocabulary gives the
     * same bytes.
     *
     * @param directory made if it does not exist
     * @param modelMaxLength longest sequence of the model it is for, in tokens
     * @throws IOException if a file cannot be written
     */
    public void write(Path directory, int modelMaxLength) throws IOException {
        Files.createDirectories(directory);
        write(directory.resolve("tokenizer.json"), tokenizerJson());
        ObjectNode config = JsonNodeFactory.instance.objectNode();
        config.put("bos_token", BEGIN)
                .put("eos_token", END)
                .put("clean_up_tokenization_spaces", false)
                .put("model_max_length", modelMaxLength)
                .put("tokenizer_class", "PreTrainedTokenizerFast");
        write(directory.resolve("tokenizer_config.json"), config);
    }

    private ObjectNode tokenizerJson() {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("version", "1.0");
        json.putNull("truncation");
        json.putNull("padding");
        ArrayNode added = json.putArray("added_tokens");
        for (String mark : MARKS) {
            added.addObject()
                    .put("id", MARKS.indexOf(mark))
                    .put("content", mark)
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
        }
        json.putNull("normalizer");
        ObjectNode pre = json.putObject("pre_tokenizer").put("type", "Sequence");
        ArrayNode steps = pre.putArray("pretokenizers");
        steps.addObject().put("type", "Digits").put("individual_digits", true);
        byteLevel(steps.addObject(), false);
        postProcessor(json.putObject("post_processor"));
        byteLevel(json.putObject("decoder"), true);
        model(json.putObject("model"));
        return json;
    }

    private static void byteLevel(ObjectNode node, boolean addPrefixSpace) {
        node.put("type", "ByteLevel")
                .put("add_prefix_space", addPrefixSpace)
                .put("trim_offsets", true)
                .put("use_regex", true);
    }

    /** BOS, then the text; of a pair, BOS before the first text alone. */
    private static void postProcessor(ObjectNode node) {
        node.put("type", "TemplateProcessing");
        ArrayNode single = node.putArray("single");
        ArrayNode pair = node.putArray("pair");
        for (ArrayNode template : List.of(single, pair)) {
            template.addObject().putObject("SpecialToken").put("id", BEGIN).put("type_id", 0);
            template.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
        }
        pair.addObject().putObject("Sequence").put("id", "B").put("type_id", 1);
        ObjectNode mark = node.putObject("special_tokens").putObject(BEGIN).put("id", BEGIN);
        mark.putArray("ids").add(MARKS.indexOf(BEGIN));
        mark.putArray("tokens").add(BEGIN);
    }

    private void model(ObjectNode node) {
        node.put("type", "BPE");
        node.putNull("dropout");
        node.putNull("unk_token");
        node.putNull("continuing_subword_prefix");
        node.putNull("end_of_word_suffix");
        node.put("fuse_unk", false).put("byte_fallback", false).put("ignore_merges", false);
        ObjectNode vocabulary = node.putObject("vocab");
        for (int id = 0; id < tokens.size(); id++) {
            vocabulary.put(tokens.get(id), id);
        }
        ArrayNode list = node.putArray("merges");
        merges.forEach(merge -> list.addArray().add(merge.left()).add(merge.right()));
    }

    private static void write(Path file, ObjectNode json) throws IOException {
        Files.writeString(
                file,
                MAPPER.writerWithDefaultPrettyPrinter()
                                .writeValueAsString(json)
                                .replace(System.lineSeparator(), "\n")
                        + "\n");
    }
}
