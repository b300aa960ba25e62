package dev.tegu.distill.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.records.DataException;
import dev.tegu.records.JsonRecords;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The messages of a record, in the form that chat templates read. */
final class ChatMessages {
    private static final JsonMapper MAPPER = new JsonMapper();

    /** ShareGPT's names of the speakers. */
    private static final Map<String, String> ROLES =
            Map.of(
                    "human", "user",
                    "user", "user",
                    "gpt", "assistant",
                    "assistant", "assistant",
                    "system", "system");

    private ChatMessages() {}

    /**
     * @param object with {@code messages} (of {@code role} and {@code content}) or {@code
     *     conversations} (of {@code from} and {@code value})
     * @return maps with {@code role} and {@code content}, and, of {@code messages}, what else they
     *     have
     * @throws DataException if there is neither, or no message, or a text is missing
     */
    static List<Map<String, Object>> of(JsonNode object, String place) {
        boolean shareGpt = !object.hasNonNull("messages") && object.hasNonNull("conversations");
        String field = shareGpt ? "conversations" : "messages";
        JsonNode list = object.path(field);
        if (!list.isArray() || list.isEmpty()) {
            throw new DataException(
                    (place + ": expected the field `messages` or `conversations` with a list of")
                            + (" one or more, found " + JsonRecords.names(object)));
        }
        List<Map<String, Object>> messages = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            String where = place + ": " + field + "[" + i + "]";
            JsonNode message = JsonRecords.object(list.get(i), where);
            messages.add(shareGpt ? shareGpt(message, where) : message(message, where));
        }
        return messages;
    }

    /** Who speaks and what is said, message after message. */
    static String[] texts(List<Map<String, Object>> messages) {
        return messages.stream()
                .flatMap(message -> Stream.of(message.get("role"), message.get("content")))
                .map(String::valueOf)
                .toArray(String[]::new);
    }

    private static Map<String, Object> message(JsonNode message, String where) {
        JsonRecords.text(message, "role", where);
        JsonRecords.text(message, "content", where);
        Map<String, Object> map = new LinkedHashMap<>();
        message.properties()
                .forEach(e -> map.put(e.getKey(), MAPPER.convertValue(e.getValue(), Object.class)));
        return map;
    }

    private static Map<String, Object> shareGpt(JsonNode message, String where) {
        String from = JsonRecords.text(message, "from", where);
        String role = ROLES.get(from);
        if (role == null) {
            throw new DataException(
                    where + ": `from`: expected human, gpt or system, found `" + from + "`");
        }
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("role", role);
        map.put("content", JsonRecords.text(message, "value", where));
        return map;
    }
}
