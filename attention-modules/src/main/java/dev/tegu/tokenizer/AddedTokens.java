package dev.tegu.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Tokens beside a vocabulary, which are found in a text before it is cut. Those of {@code
 * tokenizer.json} come first; {@code tokenizer_config.json} may change their switches and add more,
 * as transformers does: {@code added_tokens_decoder} in the order of its ids, then the marks.
 *
 * <p>A token that is no piece of the vocabulary gets the next free id, whatever the file calls it.
 */
final class AddedTokens {
    private static final List<String> MARKS =
            List.of(
                    "bos_token",
                    "eos_token",
                    "unk_token",
                    "sep_token",
                    "pad_token",
                    "cls_token",
                    "mask_token");

    private static final List<String> SWITCHES =
            List.of("single_word", "lstrip", "rstrip", "normalized", "special");

    private final ArrayNode tokens;
    private final Vocabulary vocabulary;
    private final Map<String, ObjectNode> byText = new HashMap<>();
    private boolean isChanged;

    private AddedTokens(ArrayNode tokens, Vocabulary vocabulary) {
        this.tokens = tokens;
        this.vocabulary = vocabulary;
        for (JsonNode token : tokens) {
            if (token instanceof ObjectNode object) {
                byText.put(token.path("content").asText(), object);
            }
        }
    }

    /**
     * @param json {@code tokenizer.json}, changed here
     * @param config {@code tokenizer_config.json}
     * @param vocabulary of {@code json}; gets the tokens that are new
     * @return whether anything was changed
     * @throws CheckpointException if an id is no number
     */
    static boolean merge(ObjectNode json, ObjectNode config, Vocabulary vocabulary) {
        ArrayNode tokens =
                json.get("added_tokens") instanceof ArrayNode array
                        ? array
                        : json.putArray("added_tokens");
        AddedTokens added = new AddedTokens(tokens, vocabulary);
        Map<Long, JsonNode> byId = new TreeMap<>();
        for (Map.Entry<String, JsonNode> entry : config.path("added_tokens_decoder").properties()) {
            byId.put(id(entry.getKey()), entry.getValue());
        }
        byId.values().forEach(added::take);
        for (String mark : MARKS) {
            added.takeMark(config.path(mark));
        }
        for (String list : List.of("additional_special_tokens", "extra_special_tokens")) {
            config.path(list).forEach(added::takeMark);
        }
        return added.isChanged;
    }

    private static long id(String key) {
        try {
            return Long.parseLong(key);
        } catch (NumberFormatException e) {
            throw new CheckpointException(
                    "tokenizer_config.json: `added_tokens_decoder` has the key `"
                            + key
                            + "`, expected an id; fetch the file again",
                    e);
        }
    }

    private void takeMark(JsonNode mark) {
        String text = mark.isObject() ? mark.path("content").asText("") : mark.asText("");
        if (!text.isEmpty() && !byText.containsKey(text)) {
            ObjectNode token =
                    mark.isObject()
                            ? ((ObjectNode) mark).deepCopy()
                            : tokens.objectNode().put("content", text);
            take(token.put("special", true));
        }
    }

    private void take(JsonNode wanted) {
        String text = wanted.path("content").asText("");
        if (text.isEmpty()) {
            return;
        }
        ObjectNode token = byText.get(text);
        if (token == null) {
            token = tokens.addObject().put("id", vocabulary.add(text)).put("content", text);
            byText.put(text, token);
            isChanged = true;
        }
        for (String name : SWITCHES) {
            boolean value = wanted.path(name).asBoolean(false);
            if (!token.has(name) || token.get(name).asBoolean() != value) {
                token.put(name, value);
                isChanged = true;
            }
        }
    }
}
