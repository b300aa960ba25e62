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

    /** Texts and ids in the layout of llama.cpp's vocabulary tests; one vocabulary each. */
    @ParameterizedTest
    @CsvSource({
        "ggml-vocab-gpt-2.gguf, gpt2",
        "ggml-vocab-llama-spm.gguf, llama-2",
        "ggml-vocab-llama-bpe.gguf, llama-3",
        "ggml-vocab-qwen2.gguf, qwen2"
    })
    void everyTokenizerThatIsHereGivesTheExpectedIds(String expected, String name)
            throws IOException {
        Path folder = SharedFiles.path("tokenizers/" + name);
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

    /** Texts, ids and decoded texts as transformers 4 had them, by the name of the model. */
    @ParameterizedTest
    @CsvSource({
        "distilgpt2, gpt2",
        "coreml-projects/Llama-2-7b-chat-coreml, llama-2",
        "pcuenq/Llama-3.2-1B-Instruct-tokenizer, llama-3.2",
        "pcuenq/gemma-tokenizer, gemma",
        "tiiuae/falcon-7b, falcon",
        "t5-base, t5-base"
    })
    void everyTokenizerThatIsHereGivesTheIdsOfTransformersTests(String model, String name)
            throws IOException {
        Path folder = SharedFiles.path("tokenizers/" + name);
        JsonNode cases =
                json(SharedFiles.path("tokenizers/expected/swift_tokenizer_tests.json")).get(model);
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(folder)) {
            assertTrue(cases.size() > 10);
            for (JsonNode c : cases) {
                String text = c.get("input").asText();
                int[] expected = ids(c.get("encoded").get("input_ids"));
                assertArrayEquals(expected, tokenizer.encode(text, true), text);
                assertEquals(
                        c.get("decoded_with_special").asText(),
                        cleanedUp(tokenizer.decode(expected, false)));
                assertEquals(
                        c.get("decoded_without_special").asText(),
                        cleanedUp(tokenizer.decode(expected, true)));
            }
        }
    }

    /**
     * What transformers 4 did to every decoded text; transformers 5 does so for WordPiece alone.
     */
    private static String cleanedUp(String text) {
        return text.replace(" .", ".")
                .replace(" ?", "?")
                .replace(" !", "!")
                .replace(" ,", ",")
                .replace(" ' ", "'")
                .replaceAll(" (n't|'m|'s|'ve|'re)", "$1");
    }

    @Test
    void gpt2sOlderFilesGiveTheIdsOfItsTokenizerJson() throws IOException {
        Path folder = SharedFiles.path("tokenizers/gpt2");
        for (String name : List.of("vocab.json", "merges.txt", "tokenizer_config.json")) {
            Files.copy(folder.resolve(name), dir.resolve(name));
        }
        String text =
                Files.readString(SharedFiles.path("tokenizers/expected/ggml-vocab-gpt-2.gguf.inp"));
        try (HuggingFaceTextTokenizer expected = HuggingFaceTextTokenizer.load(folder);
                HuggingFaceTextTokenizer made = HuggingFaceTextTokenizer.load(dir)) {
            int[] ids = expected.encode(text + "<|endoftext|> a", true);
            assertArrayEquals(ids, made.encode(text + "<|endoftext|> a", true));
            assertEquals(expected.decode(ids, true), made.decode(ids, true));
            assertEquals(OptionalInt.of(50_256), made.eosId());
            assertEquals(50_257, made.vocabSize());
        }
    }

    @Test
    void olderFilesOfAnotherClassOrWithAFaultAreRefused() throws IOException {
        Files.writeString(dir.resolve("vocab.json"), "{\"a\": 0, \"b\": 1, \"ab\": 2}");
        Files.writeString(dir.resolve("merges.txt"), "#version: 0.2\na b\n");
        Files.writeString(
                dir.resolve("tokenizer_config.json"),
                "{\"tokenizer_class\": \"RobertaTokenizer\"}");
        assertTrue(refusal().contains("save_pretrained(folder)"), refusal());

        Files.writeString(
                dir.resolve("tokenizer_config.json"), "{\"tokenizer_class\": \"GPT2Tokenizer\"}");
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(dir)) {
            assertArrayEquals(new int[] {2, 1}, tokenizer.encode("abb", true));
            assertEquals(OptionalInt.of(3), tokenizer.eosId());
        }

        Files.writeString(dir.resolve("vocab.json"), "{\"a\": 0, \"b\": 1, \"ab\": \"x\"}");
        assertTrue(refusal().contains("vocab.json: the tokenizers library cannot"), refusal());
        Files.writeString(
                dir.resolve("tokenizer_config.json"),
                "{\"tokenizer_class\": \"GPT2Tokenizer\", \"added_tokens_decoder\": {\"x\": {}}}");
        assertTrue(refusal().contains("`added_tokens_decoder` has the key `x`"), refusal());
        Files.writeString(dir.resolve("merges.txt"), "a b c\n");
        assertEquals(
                dir.resolve("merges.txt")
                        + ":1: expected two pieces with a space between them, found `a b c`; fetch"
                        + " the file again",
                refusal());
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
