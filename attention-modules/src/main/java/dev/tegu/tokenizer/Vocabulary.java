package dev.tegu.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;

/** Spellings and ids of a {@code tokenizer.json}, added tokens included. */
final class Vocabulary {

    private final Map<String, Integer> ids = new HashMap<>();
    private int size;

    private Vocabulary() {}

    /** Reads a vocabulary kept as an object of ids (BPE, WordPiece) or as a list (Unigram). */
    static Vocabulary of(ObjectNode tokenizerJson) {
        Vocabulary vocabulary = new Vocabulary();
        JsonNode model = tokenizerJson.path("model").path("vocab");
        if (model.isArray()) {
            for (int id = 0; id < model.size(); id++) {
                vocabulary.put(model.path(id).path(0).asText(), id);
            }
        } else {
            model.properties().forEach(e -> vocabulary.put(e.getKey(), e.getValue().asInt()));
        }
        for (JsonNode added : tokenizerJson.path("added_tokens")) {
            vocabulary.put(added.path("content").asText(), added.path("id").asInt());
        }
        return vocabulary;
    }

    private void put(String token, int id) {
        ids.put(token, id);
        size = Math.max(size, id + 1);
    }

    OptionalInt idOf(String token) {
        Integer id = ids.get(token);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /** The id of a token, which gets the next free one if it is new. */
    int add(String token) {
        put(token, ids.getOrDefault(token, size));
        return ids.get(token);
    }

    /** One more than the largest id. */
    int size() {
        return size;
    }
}
