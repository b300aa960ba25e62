package dev.tegu.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.SharedFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HuggingFaceTextTokenizerTest {

    @TempDir Path dir;

    private HuggingFaceTextTokenizer tiny() throws IOException {
        TinyTokenizer.write(dir);
        return HuggingFaceTextTokenizer.load(dir);
    }

    private String refusal() {
        CheckpointException e =
                assertThrows(CheckpointException.class, () -> HuggingFaceTextTokenizer.load(dir));
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
        return e.getMessage();
    }

    @Test
    void limitsOfTheFileDoNotBite() throws IOException {
        try (HuggingFaceTextTokenizer tokenizer = tiny()) {
            assertArrayEquals(new int[] {1, 10}, tokenizer.encode("a", true));
            assertArrayEquals(new int[] {10}, tokenizer.encode("a", false));
            assertEquals(1001, tokenizer.encode("a" + " b".repeat(999), true).length);
            assertArrayEquals(new int[0], tokenizer.encode("", false));
            assertArrayEquals(new int[] {1}, tokenizer.encode("", true));
        }
    }

    @Test
    void severalTextsGiveTheIdsOfEach() throws IOException {
        try (HuggingFaceTextTokenizer tokenizer = tiny()) {
            List<String> texts = List.of("a", "", "b a b a b a", "\uD83D\uDE00");
            List<int[]> ids = tokenizer.encodeAll(texts, true);
            assertEquals(4, ids.size());
            for (int i = 0; i < texts.size(); i++) {
                assertArrayEquals(tokenizer.encode(texts.get(i), true), ids.get(i));
            }
        }
    }

    @Test
    void marksAreReadFromTheTokenizersFilesFirst() throws IOException {
        try (HuggingFaceTextTokenizer tokenizer = tiny()) {
            assertEquals(OptionalInt.empty(), tokenizer.bosId());
            assertEquals(OptionalInt.empty(), tokenizer.eosId());
            assertEquals(21, tokenizer.vocabSize());
            assertEquals(OptionalInt.of(20), tokenizer.idOf("<end>"));
            assertEquals(OptionalInt.empty(), tokenizer.idOf("c"));
        }
        Files.writeString(
                dir.resolve("config.json"), "{\"bos_token_id\": 1, \"eos_token_id\": [2, 9]}");
        try (HuggingFaceTextTokenizer tokenizer = tiny()) {
            assertEquals(OptionalInt.of(1), tokenizer.bosId());
            assertEquals(OptionalInt.of(2), tokenizer.eosId());
            assertEquals("[2, 9]", tokenizer.stopIds().toString());
        }
        Files.writeString(
                dir.resolve("tokenizer_config.json"),
                "{\"bos_token\": null, \"eos_token\": {\"content\": \"<end>\"}}");
        try (HuggingFaceTextTokenizer tokenizer = tiny()) {
            assertEquals(OptionalInt.empty(), tokenizer.bosId());
            assertEquals(OptionalInt.of(20), tokenizer.eosId());
            assertEquals("[2, 9, 20]", tokenizer.stopIds().toString());
        }
    }

    @Test
    void unpairedSurrogateSpoilsNothingElse() throws IOException {
        try (HuggingFaceTextTokenizer tokenizer = tiny()) {
            int[] ids = tokenizer.encode("a\uD800\uD83D\uDE00b", false);

            assertArrayEquals(new int[] {10, 12, 13, 14, 3, 4, 5, 6, 9}, ids);
            assertEquals("a\uFFFD\uD83D\uDE00b", tokenizer.decode(ids, true));
        }
    }

    @Test
    void marksAreLeftOutWhenAskedAndUnknownIdsAreNoText() throws IOException {
        try (HuggingFaceTextTokenizer tokenizer = tiny()) {
            int[] ids = {1, 10, 11, 2, 99_999};
            assertEquals("a b", tokenizer.decode(ids, true));
            assertEquals("<s> a b</s>", tokenizer.decode(ids, false));
        }
    }

    @Test
    void missingOrDamagedFileIsNamedWithTheNextStep() throws IOException {
        assertEquals(
                dir + ": no tokenizer.json; fetch it from where the model came from", refusal());
        Files.writeString(dir.resolve("tokenizer.model"), "x");
        assertTrue(refusal().contains("save_pretrained(folder)"), refusal());
        Files.writeString(
                dir.resolve("tokenizer.json"), "version https://git-lfs.github.com/spec/v1\n");
        assertTrue(refusal().contains("begins with a Git LFS pointer"), refusal());
        Files.writeString(dir.resolve("tokenizer.json"), "{}");
        assertTrue(refusal().contains("cannot read it: Model missing."), refusal());
    }

    private static JsonNode json(Path file) throws IOException {
        return new ObjectMapper().readTree(Files.readString(file));
    }

    private static int[] ids(JsonNode list) {
        return IntStream.range(0, list.size()).map(i -> list.get(i).asInt()).toArray();
    }

    @Test
    void storiesGiveTheReferenceIds() throws IOException {
        Path model = SharedFiles.path("models/stories260K-hf");
        JsonNode prompts = json(model.resolve("reference.json")).get("prompts");
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(model)) {
            assertTrue(prompts.size() > 0);
            for (JsonNode prompt : prompts) {
                int[] expected = ids(prompt.get("ids"));
                String text = prompt.get("text").asText();
                assertArrayEquals(expected, tokenizer.encode(text, true), text);
                assertEquals(text, tokenizer.decode(expected, true));
            }
            assertEquals(512, tokenizer.vocabSize());
            assertEquals(OptionalInt.of(1), tokenizer.bosId());
            assertEquals(OptionalInt.of(2), tokenizer.eosId());
        }
    }

    @Test
    void teacherGivesTheReferenceIds() throws IOException {
        Path model = SharedFiles.path("models/teacher-14m");
        JsonNode probe = json(model.resolve("probe.json"));
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(model)) {
            int[] ids = tokenizer.encode(probe.get("text").asText(), true);
            assertArrayEquals(ids(probe.get("ids")), ids);
            assertEquals(4096, tokenizer.vocabSize());
            assertEquals(OptionalInt.of(0), tokenizer.bosId());
            assertEquals(OptionalInt.of(1), tokenizer.eosId());
        }
    }

    /** Texts and ids in the layout of llama.cpp's vocabulary tests. */
    @Test
    void gpt2GivesTheExpectedIds() throws IOException {
        String expected = "ggml-vocab-gpt-2.gguf";
        Path folder = SharedFiles.path("tokenizers/gpt2");
        Path files = SharedFiles.path("tokenizers/expected");
        String separator = "\n__ggml_vocab_test__\n";
        List<String> texts =
                List.of(Files.readString(files.resolve(expected + ".inp")).split(separator, -1));
        List<String> lines = Files.readAllLines(files.resolve(expected + ".out"));
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(folder)) {
            assertTrue(lines.size() > 30);
            for (int i = 0; i < lines.size(); i++) {
                String ids =
                        IntStream.of(tokenizer.encode(texts.get(i), false))
                                .mapToObj(String::valueOf)
                                .collect(Collectors.joining(" "));
                assertEquals(lines.get(i).strip(), ids, "text " + i + ": " + texts.get(i));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"models/teacher-14m", "models/stories260K-hf", "tokenizers/gpt2"})
    void bookOfAMegabyteIsEncodedWhole(String folder) throws IOException {
        Path books = SharedFiles.path("data/books");
        String text;
        try (Stream<Path> files = Files.list(books)) {
            text = Files.readString(files.sorted().findFirst().orElseThrow());
        }
        String megabyte = text.repeat(1 + 1_000_000 / text.length()).substring(0, 1_000_000);
        Path model = SharedFiles.path(folder);
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(model)) {
            int[] ids = tokenizer.encode(megabyte, false);

            assertTrue(ids.length > 200_000, "only " + ids.length + " tokens");
            assertEquals(megabyte, tokenizer.decode(ids, true));
        }
    }
}
