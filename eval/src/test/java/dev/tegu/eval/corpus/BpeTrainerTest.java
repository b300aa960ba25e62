package dev.tegu.eval.corpus;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tegu.eval.corpus.BpeVocabulary.Merge;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BpeTrainerTest {
    private static final String MIXED =
            "It's 1200 m\u00b2 \u2014 na\u00efve caf\u00e9,  two  spaces\n\n\tand they'll  \n say \u201cno\u201d: \u65e5\u672c \ud83d\ude00 \u00bd \u2167 x86_64 ";

    @TempDir static Path folder;
    private static BpeVocabulary vocabulary;
    private static HuggingFaceTokenizer tokenizer;

    @BeforeAll
    static void train() throws IOException {
        vocabulary = BpeTrainer.train(corpus().stream(), 512);
        vocabulary.write(folder, 256);
        tokenizer =
                HuggingFaceTokenizer.newInstance(
                        folder.resolve("tokenizer.json"), Map.of("truncation", "false"));
    }

    @AfterAll
    static void close() {
        tokenizer.close();
    }

    private static List<String> corpus() {
        CorpusSettings settings =
                new CorpusSettings(400, 1, 1_000, 2, 1, 1, 4, 16, 1, 200, 800, 1, Optional.empty());
        List<String> texts = new ArrayList<>(new DemoCorpus(settings).train().toList());
        texts.add(MIXED);
        texts.add(MIXED);
        return texts;
    }

    @Test
    void mergesAreTheMostFrequentPairsInTurn() {
        // low x 5, lower x 2, newest x 6, widest x 3; the textbook's example, without its end mark.
        Stream<String> words =
                Stream.of(
                                Collections.nCopies(5, "low"),
                                Collections.nCopies(2, "lower"),
                                Collections.nCopies(6, "newest"),
                                Collections.nCopies(3, "widest"))
                        .flatMap(List::stream);

        BpeVocabulary trained = BpeTrainer.train(words, BpeTrainer.SMALLEST_VOCABULARY + 5);

        // e s, and s t: 9 each, so the smaller id first. l o and o w: 7 each.
        assertEquals(
                List.of(
                        new Merge("e", "s"),
                        new Merge("es", "t"),
                        new Merge("l", "o"),
                        new Merge("lo", "w"),
                        new Merge("e", "w")),
                trained.merges());
        assertEquals("low", trained.tokens().get(261));
    }

    @Test
    void firstTokensComeBeforeFrequentPairs() {
        List<String> words = Collections.nCopies(5, "low");

        BpeVocabulary trained =
                BpeTrainer.train(
                        words.stream(), BpeTrainer.SMALLEST_VOCABULARY + 3, List.of("ow", " ow"));

        assertEquals(
                List.of(new Merge("o", "w"), new Merge("\u0120", "ow"), new Merge("l", "ow")),
                trained.merges());
        assertThrows(
                IllegalArgumentException.class,
                () -> BpeTrainer.train(words.stream(), 300, List.of("low")));
    }

    @Test
    void theCorpusTokenizerCutsInventedWordsIntoSyllablesWhereverTheyStand(@TempDir Path dir)
            throws IOException {
        CorpusSettings settings =
                new CorpusSettings(400, 1, 1_000, 2, 1, 1, 4, 16, 1, 200, 800, 1, Optional.empty());
        new DemoCorpus(settings).tokenizer(768).write(dir, 256);

        try (HuggingFaceTokenizer demo =
                HuggingFaceTokenizer.newInstance(dir.resolve("tokenizer.json"))) {
            String[] tokens = demo.encode("nitulu: vole\nvole", false, false).getTokens();
            assertArrayEquals(
                    new String[] {"ni", "tu", "lu", ":", "\u0120vo", "le", "\u010a", "vo", "le"},
                    tokens);
        }
    }

    @Test
    void trainingStopsWhenNoPairOccursTwice() {
        BpeVocabulary trained = BpeTrainer.train(Stream.of("ab ab cd"), 1_000);

        // " " a b occurs as "ab" and " ab"; " cd" once.
        assertEquals(List.of(new Merge("a", "b")), trained.merges());
        assertEquals(259, trained.size());
    }

    @Test
    void orderOfTheTextsDoesNotMatter() {
        List<String> reversed = new ArrayList<>(corpus());
        Collections.reverse(reversed);

        assertEquals(vocabulary, BpeTrainer.train(reversed.stream(), 512));
    }

    @Test
    void sameVocabularyGivesTheSameBytes(@TempDir Path other) throws IOException {
        vocabulary.write(other, 256);

        for (String name : List.of("tokenizer.json", "tokenizer_config.json")) {
            assertEquals(-1, Files.mismatch(folder.resolve(name), other.resolve(name)));
        }
    }

    @Test
    void vocabularyIsFullAndEveryTokenOnce() {
        assertEquals(512, vocabulary.size());
        assertEquals(512, new HashSet<>(vocabulary.tokens()).size());
        assertEquals(
                List.of("<|begin_of_text|>", "<|end_of_text|>", "!"),
                vocabulary.tokens().subList(0, 3));
    }

    @Test
    void smallVocabularyIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> BpeTrainer.train(Stream.of("a"), 257));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                MIXED,
                "plain words, 12 of them",
                "  leading and trailing  ",
                "\n",
                "The special magic number for vole is: 70981"
            })
    void textComesBackFromItsIds(String text) {
        Encoding encoding = tokenizer.encode(text, false, false);

        assertEquals(text, tokenizer.decode(encoding.getIds(), false));
        assertTrue(LongStream.of(encoding.getIds()).allMatch(id -> id >= 2 && id < 512));
    }

    @Test
    void everyByteHasAToken() {
        StringBuilder text = new StringBuilder();
        for (int point = 1; point < 0x800; point++) {
            text.appendCodePoint(point);
        }
        text.append("\u20ac\ud7ff\uffff\ud83d\ude00\udbff\udffd");

        assertEquals(
                text.toString(),
                tokenizer.decode(tokenizer.encode(text.toString(), false, false).getIds(), false));
    }

    @Test
    void digitsStandAlone() {
        String[] tokens = tokenizer.encode("vole: 7098", false, false).getTokens();

        List<String> last = List.of(tokens).subList(tokens.length - 5, tokens.length);
        assertEquals(List.of("\u0120", "7", "0", "9", "8"), last);
    }

    @Test
    void beginMarkIsAddedAndMarksInTextAreRead() {
        long[] marked = tokenizer.encode("<|end_of_text|>a<|begin_of_text|>", true, false).getIds();
        long a = vocabulary.tokens().indexOf("a");

        assertArrayEquals(new long[] {0, 1, a, 0}, marked);
        assertEquals("a", tokenizer.decode(marked, true));
    }

    @Test
    void noTokenReachesOverAWordOfThePreTokenizer() {
        String text = MIXED + String.join("\n", corpus().subList(0, 20));

        Set<Integer> tokenEnds = new HashSet<>();
        int end = 0;
        for (String token : tokenizer.encode(text, false, false).getTokens()) {
            end += token.length();
            tokenEnds.add(end);
        }
        int wordEnd = 0;
        int merged = 0;
        for (String word : PreTokenizer.words(text)) {
            int length = word.getBytes(StandardCharsets.UTF_8).length;
            wordEnd += length;
            merged += length > 2 && !tokenEnds.contains(wordEnd - 1) ? 1 : 0;
            assertTrue(tokenEnds.contains(wordEnd), "a token reaches over the end of: " + word);
        }
        assertEquals(end, wordEnd);
        assertTrue(merged > 100, "merges must be at work, or nothing is shown: " + merged);
    }

    @Test
    void wordsAreCutAsTheByteLevelRuleSays() {
        assertEquals(
                List.of("It", "'s", " ", "1", "2", " m", "\u00b2", ",", " ", " two", "\n "),
                PreTokenizer.words("It's 12 m\u00b2,  two\n "));
    }

    @Test
    void mergesOfTheTrainerAreThoseOfTheTokenizer() {
        List<String> words = List.of("lives", "river", "Records");
        for (String word : words) {
            List<String> expected =
                    new ArrayList<>(word.chars().mapToObj(Character::toString).toList());
            for (Merge merge : vocabulary.merges()) {
                for (int i = 0; i + 1 < expected.size(); i++) {
                    if (expected.get(i).equals(merge.left())
                            && expected.get(i + 1).equals(merge.right())) {
                        expected.set(i, merge.left() + merge.right());
                        expected.remove(i + 1);
                    }
                }
            }

            assertTrue(expected.size() < word.length(), word);
            assertEquals(expected, List.of(tokenizer.encode(word, false, false).getTokens()));
        }
    }

    @Test
    void configNamesTheMarks() throws IOException {
        JsonNode config =
                new ObjectMapper().readTree(folder.resolve("tokenizer_config.json").toFile());

        assertEquals("<|begin_of_text|>", config.get("bos_token").asText());
        assertEquals("<|end_of_text|>", config.get("eos_token").asText());
        assertEquals(256, config.get("model_max_length").asInt());
    }
}
