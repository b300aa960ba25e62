package dev.tegu.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Small tokenizers of every family against what transformers makes of them; the files and the
 * expected values are written by {@code scripts/make-tokenizer-fixtures.py}.
 */
class TransformersTokenizersTest {
    private static final JsonMapper JSON = new JsonMapper();

    @TempDir Path dir;

    /** A tokenizer's files with each of its variants of {@code tokenizer_config.json}. */
    private void eachVariant(String family, Check check) throws IOException {
        Path files;
        try {
            files = Path.of(TransformersTokenizersTest.class.getResource(family).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
        for (Path file : HuggingFaceDirectory.tokenizerFilesIn(files)) {
            Files.copy(file, dir.resolve(file.getFileName()));
        }
        Path config = files.resolve("tokenizer_config.json");
        JsonNode expected = JSON.readTree(files.resolve("expected.json").toFile());
        assertFalse(expected.isEmpty());
        for (Map.Entry<String, JsonNode> variant : expected.properties()) {
            ObjectNode laidOver = (ObjectNode) JSON.readTree(config.toFile());
            laidOver.setAll((ObjectNode) variant.getValue().get("config"));
            JSON.writeValue(dir.resolve("tokenizer_config.json").toFile(), laidOver);
            try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(dir)) {
                check.variant(family + ", " + variant.getKey(), tokenizer, variant.getValue());
            }
        }
    }

    private interface Check {
        void variant(String name, HuggingFaceTextTokenizer tokenizer, JsonNode expected)
                throws IOException;
    }

    private static List<Integer> ids(int[] ids) {
        return IntStream.of(ids).boxed().toList();
    }

    private static List<Integer> ids(JsonNode ids) {
        return JSON.convertValue(ids, new TypeReference<>() {});
    }

    private static int[] array(JsonNode ids) {
        return ids(ids).stream().mapToInt(id -> id).toArray();
    }

    private static OptionalInt id(JsonNode id) {
        return id.isNull() ? OptionalInt.empty() : OptionalInt.of(id.asInt());
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama2", "gpt2", "qwen2", "llama3", "added"})
    void idsAndTextsAreThoseOfTransformers(String family) throws IOException {
        eachVariant(
                family,
                (name, tokenizer, expected) -> {
                    assertEquals(expected.get("size").asInt(), tokenizer.vocabSize(), name);
                    assertEquals(id(expected.get("bos")), tokenizer.bosId(), name);
                    assertEquals(id(expected.get("eos")), tokenizer.eosId(), name);
                    assertTrue(expected.get("cases").size() > 24, name);
                    for (JsonNode c : expected.get("cases")) {
                        String text = c.get("text").asText();
                        String what = name + ": " + c.get("text");
                        assertEquals(ids(c.get("ids")), ids(tokenizer.encode(text, true)), what);
                        assertEquals(ids(c.get("plain")), ids(tokenizer.encode(text, false)), what);
                        int[] ids = array(c.get("ids"));
                        assertEquals(c.get("decoded").asText(), tokenizer.decode(ids, false), what);
                        assertEquals(c.get("skipped").asText(), tokenizer.decode(ids, true), what);
                    }
                });
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama2", "gpt2", "qwen2", "llama3", "added"})
    void textThatArrivesTokenByTokenIsTheSameAndNeverHalfACharacter(String family)
            throws IOException {
        eachVariant(
                family,
                (name, tokenizer, expected) -> {
                    for (JsonNode c : expected.get("cases")) {
                        int[] ids = array(c.get("ids"));
                        IncrementalDecoder decoder =
                                new IncrementalDecoder(tokenizer, new int[0], true);
                        StringBuilder all = new StringBuilder();
                        for (int id : ids) {
                            String piece = decoder.add(id);
                            assertFalse(piece.contains("\uFFFD"), name + ": " + c.get("text"));
                            all.append(piece);
                        }
                        all.append(decoder.finish());
                        assertEquals(c.get("skipped").asText(), all.toString(), name);
                    }
                });
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama2", "qwen2", "llama3"})
    void conversationsAreThoseOfApplyChatTemplate(String family) throws IOException {
        eachVariant(
                family,
                (name, tokenizer, expected) -> {
                    assertEquals(10, expected.get("chats").size(), name);
                    ChatTemplate template = tokenizer.chatTemplate();
                    for (JsonNode chat : expected.get("chats")) {
                        List<Map<String, Object>> messages =
                                JSON.convertValue(chat.get("messages"), new TypeReference<>() {});
                        String text =
                                template.render(
                                        new ArrayList<>(messages), chat.get("prompt").asBoolean());
                        assertEquals(chat.get("text").asText(), text, name);
                        assertEquals(
                                ids(chat.get("ids")), ids(tokenizer.encode(text, false)), name);
                    }
                });
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "qwen2"})
    void olderFilesAreReadByTheModelsTypeToo(String family) throws IOException {
        eachVariant(
                family,
                (name, tokenizer, expected) -> {
                    ObjectNode config =
                            (ObjectNode)
                                    JSON.readTree(dir.resolve("tokenizer_config.json").toFile());
                    config.remove("tokenizer_class");
                    JSON.writeValue(dir.resolve("tokenizer_config.json").toFile(), config);
                    Files.writeString(
                            dir.resolve("config.json"), "{\"model_type\": \"" + family + "\"}");
                    try (HuggingFaceTextTokenizer again = HuggingFaceTextTokenizer.load(dir)) {
                        expected.get("cases")
                                .forEach(
                                        c ->
                                                assertEquals(
                                                        ids(c.get("ids")),
                                                        ids(
                                                                again.encode(
                                                                        c.get("text").asText(),
                                                                        true))));
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                });
    }
}
