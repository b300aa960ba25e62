package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.records.DataException;
import dev.tegu.tokenizer.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where documents end up in sequences, and where that differs from LoLCATs' packing. */
final class PackingTest {
    private static final CharTokenizer MARKS = new CharTokenizer(true, true);
    private static final CharTokenizer PLAIN = new CharTokenizer(false, false);

    @TempDir Path dir;

    private PackedDataset text(String content, int length, CharTokenizer tokenizer)
            throws IOException {
        Path file = Files.writeString(dir.resolve("a.txt"), content);
        return Packed.load(List.of(file), DataFormat.TEXT, length, tokenizer);
    }

    private PackedDataset pairs(int length, CharTokenizer tokenizer, String... promptsAndAnswers)
            throws IOException {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < promptsAndAnswers.length; i += 2) {
            lines.append(
                    "{\"prompt\": \"%s\", \"completion\": \"%s\"}\n"
                            .formatted(promptsAndAnswers[i], promptsAndAnswers[i + 1]));
        }
        Path file = Files.writeString(dir.resolve("a.jsonl"), lines);
        return Packed.load(List.of(file), DataFormat.JSONL, length, tokenizer);
    }

    private PackedDataset alpaca(String record, int length) throws IOException {
        Path file = Files.writeString(dir.resolve("a.json"), "[" + record + "]");
        return Packed.load(List.of(file), DataFormat.ALPACA, length, MARKS);
    }

    /** A sequence as text: ^ for BOS, $ for EOS, _ where nothing is learnt. */
    private static String show(int... ids) {
        StringBuilder shown = new StringBuilder();
        for (int id : ids) {
            shown.append(
                    switch (id) {
                        case CharTokenizer.BOS -> '^';
                        case CharTokenizer.EOS -> '$';
                        case Sequence.IGNORED -> '_';
                        default -> (char) id;
                    });
        }
        return shown.toString();
    }

    @Test
    @DisplayName("23: a buffer of exactly one sequence is kept, where the reference discards it")
    void aBufferOfExactlyOneSequenceIsKept() throws IOException {
        PackedDataset data = text("abcdef", 8, MARKS);

        assertEquals(1, data.size());
        assertEquals("^abcdef$", show(data.get(0).ids()));
        assertEquals(0, data.droppedTokens());
    }

    @Test
    @DisplayName("23: a last remainder of exactly one sequence is kept too")
    void aRemainderOfExactlyOneSequenceIsKept() throws IOException {
        PackedDataset data = text("abcdefgh", 4, PLAIN);

        assertEquals(2, data.size());
        assertEquals("efgh", show(data.get(1).ids()));
    }

    @Test
    @DisplayName("23: a sample longer than several sequences is cut and loses nothing")
    void aSampleOfSeveralSequencesLosesNothing() throws IOException {
        PackedDataset data = pairs(4, MARKS, "ab", "cdefghijkl");

        StringBuilder ids = new StringBuilder();
        StringBuilder labels = new StringBuilder();
        for (int i = 0; i < data.size(); i++) {
            ids.append(show(data.get(i).ids()));
            labels.append(show(data.get(i).labels()));
        }
        assertEquals("^abcdefghijk", ids.toString());
        assertEquals("___cdefghijk", labels.toString());
        assertEquals(2, data.droppedTokens());
    }

    @Test
    @DisplayName("23: a sequence of prompts alone is removed")
    void aSequenceOfPromptsAloneIsRemoved() throws IOException {
        PackedDataset data = pairs(4, PLAIN, "abcdefgh", "ijkl", "mnop", "qrst");

        assertEquals(2, data.size());
        assertEquals("ijkl", show(data.get(0).ids()));
        assertEquals("qrst", show(data.get(1).ids()));
        assertEquals(3, data.droppedSequences());
        assertEquals(0, data.droppedTokens());
        assertEquals(8, data.tokens());
    }

    @Test
    @DisplayName("23: a sequence that learns its first token only is removed, unlike the reference")
    void aSequenceThatLearnsItsFirstTokenOnlyIsRemoved() throws IOException {
        // abcd|efgh|ijkl: "e" answers, and no logits of that sequence foretell it.
        PackedDataset data = pairs(4, PLAIN, "abcd", "e", "fgh", "ijkl");

        assertEquals(1, data.size());
        assertEquals("ijkl", show(data.get(0).ids()));
    }

    @Test
    @DisplayName("23: a prompt that fills its sequence but for the last token is kept")
    void oneTokenToLearnIsEnough() throws IOException {
        PackedDataset data = pairs(4, PLAIN, "abc", "d", "efgh", "ijkl");

        assertEquals("___d", show(data.get(0).labels()));
        assertEquals(1, data.droppedSequences());
    }

    @Test
    @DisplayName("23: data of prompts alone are refused by the file's name")
    void dataOfPromptsAloneAreRefused() {
        DataException e =
                assertThrows(DataException.class, () -> pairs(4, PLAIN, "abcdefgh", "ij"));

        assertTrue(e.getMessage().contains("a.jsonl: no sequence of 4 tokens"), e.getMessage());
    }

    @Test
    @DisplayName("23: the tail is dropped and counted, never padded")
    void theTailIsDroppedAndCounted() throws IOException {
        PackedDataset data = text("abcdefghij", 4, PLAIN);

        assertEquals(2, data.size());
        assertEquals(2, data.droppedTokens());
        assertEquals("efgh", show(data.get(1).labels()));
    }

    @Test
    @DisplayName("23: BOS opens and EOS closes each document, wherever it falls in a sequence")
    void marksStandAroundEachDocument() throws IOException {
        PackedDataset data = pairs(5, MARKS, "ab", "c", "d", "ef", "gh", "i");

        assertEquals("^abc$", show(data.get(0).ids()));
        assertEquals("^def$", show(data.get(1).ids()));
        assertEquals("___c$", show(data.get(0).labels()));
        assertEquals("__ef$", show(data.get(1).labels()));
        assertEquals("^ghi$", show(data.get(2).ids()));
        assertEquals(3, data.size());
    }

    @Test
    @DisplayName("23: a document begins in the middle of a sequence, its BOS not learnt")
    void aDocumentBeginsInTheMiddleOfASequence() throws IOException {
        PackedDataset data = pairs(9, MARKS, "ab", "c", "d", "ef");

        assertEquals("^abc$^def", show(data.get(0).ids()));
        assertEquals("___c$__ef", show(data.get(0).labels()));
    }

    @Test
    @DisplayName("23: an empty, blank or absent `input` selects the prompt without that section")
    void anEmptyInputSelectsTheShortPrompt() throws IOException {
        String absent = "{\"instruction\": \"Add.\", \"output\": \"two\"}";
        int length = 1 + AlpacaPrompt.of("Add.", "").length() + 4;
        int[] expected = alpaca(absent, length).get(0).ids();

        for (String input : List.of("", " ", "\\n")) {
            String record = absent.replace(", ", ", \"input\": \"" + input + "\", ");
            assertArrayEquals(expected, alpaca(record, length).get(0).ids());
        }
        assertFalse(show(expected).contains("### Input:"), show(expected));
        String full = AlpacaPrompt.of("Add.", "1 and 1");
        assertTrue(full.contains("### Input:\n1 and 1\n"), full);
    }

    @Test
    @DisplayName("23: of an instruction the output and its EOS are learnt, nothing else")
    void theOutputAndItsEosAreLearnt() throws IOException {
        String record = "{\"instruction\": \"Add.\", \"input\": \"\", \"output\": \"two\"}";
        int prompt = 1 + AlpacaPrompt.of("Add.", "").length();

        Sequence sequence = alpaca(record, prompt + 4).get(0);

        assertEquals("_".repeat(prompt) + "two$", show(sequence.labels()));
    }

    private PackedDataset packed(
            String content, int length, CharTokenizer tokenizer, Packing packing, boolean masks)
            throws IOException {
        Path file = Files.writeString(dir.resolve("b.jsonl"), content);
        DataSettings settings =
                new DataSettings(
                        List.of(file.toString()),
                        List.of(),
                        List.of(),
                        DataFormat.JSONL,
                        length,
                        packing,
                        masks,
                        0);
        return Packed.load(settings, tokenizer).train();
    }

    private static String texts(String... texts) {
        StringBuilder lines = new StringBuilder();
        for (String text : texts) {
            lines.append("{\"text\": \"").append(text).append("\"}\n");
        }
        return lines.toString();
    }

    @Test
    void theReferenceDiscardsARemainderOfExactlyASequence() throws IOException {
        String text = texts("abcdefgh");

        PackedDataset joined = packed(text, 4, PLAIN, Packing.JOINED, false);
        PackedDataset reference = packed(text, 4, PLAIN, Packing.REFERENCE, false);

        assertEquals(2, joined.size());
        assertEquals(1, reference.size());
        assertEquals("abcd", show(reference.get(0).ids()));
        assertEquals(4, reference.droppedTokens());
        assertEquals(2, packed(texts("abcdefghi"), 4, PLAIN, Packing.REFERENCE, false).size());
    }

    @Test
    void dataOfExactlyOneSequenceAreNoneForTheReference() {
        DataException e =
                assertThrows(
                        DataException.class,
                        () -> packed(texts("abcd"), 4, PLAIN, Packing.REFERENCE, false));

        assertTrue(
                e.getMessage().contains("and `packing: reference` drops the last one sequence"),
                e.getMessage());
    }

    @Test
    void theReferencePutsNoBosInFrontOfItsSequences() throws IOException {
        Path file = Files.writeString(dir.resolve("a.txt"), "abcdefghij");
        DataSettings settings =
                new DataSettings(
                        List.of(file.toString()),
                        List.of(),
                        List.of(),
                        DataFormat.TEXT,
                        4,
                        Packing.REFERENCE,
                        false,
                        0);

        PackedDataset data = Packed.load(settings, MARKS).train();

        assertEquals("^abc", show(data.get(0).ids()));
        assertEquals("defg", show(data.get(1).ids()));
        assertEquals(2, data.size());
    }

    @Test
    void theReferenceDropsSequencesOfPromptsAloneAndKeepsTheOrder() throws IOException {
        String pairs =
                """
                {"prompt": "abcdefgh", "completion": "ijkl"}
                {"prompt": "mnop", "completion": "qrstu"}
                """;

        PackedDataset data = packed(pairs, 4, PLAIN, Packing.REFERENCE, false);

        assertEquals(2, data.size());
        assertEquals("ijkl", show(data.get(0).ids()));
        assertEquals("qrst", show(data.get(1).ids()));
        assertEquals(3, data.droppedSequences());
    }

    @Test
    void theReferenceEncodesAPromptAndItsCompletionApart() {
        // a tokenizer that has one token, 9, for "bc"
        TextTokenizer pairing =
                new Delegating(MARKS) {
                    @Override
                    public int[] encode(String text, boolean addSpecialTokens) {
                        return super.encode(text.replace("bc", "\t"), addSpecialTokens);
                    }
                };

        Document joined =
                new DocumentEncoder(pairing, Packing.JOINED).promptAndCompletion("ab", "cd");
        Document apart =
                new DocumentEncoder(pairing, Packing.REFERENCE).promptAndCompletion("ab", "cd");

        assertEquals("^a\td$", show(Arrays.stream(joined.tokens()).map(Token::id).toArray()));
        assertEquals("^abcd$", show(Arrays.stream(apart.tokens()).map(Token::id).toArray()));
        assertEquals(3, Arrays.stream(apart.tokens()).filter(t -> !Token.isLearnt(t)).count());
    }

    @Test
    void documentsOfASequenceAreNumbered() throws IOException {
        PackedDataset data = packed(texts("ab", "c", "defg"), 6, MARKS, Packing.JOINED, true);

        assertTrue(data.masksDocuments());
        assertEquals("^ab$^c", show(data.get(0).ids()));
        assertArrayEquals(new int[] {0, 0, 0, 0, 1, 1}, data.get(0).documents());
        assertEquals("$^defg", show(data.get(1).ids()));
        assertArrayEquals(new int[] {0, 1, 1, 1, 1, 1}, data.get(1).documents());
        assertEquals(3, data.documents());
    }

    @Test
    void withDocumentMasksTheFirstTokenOfADocumentIsNotLearnt() throws IOException {
        String text = texts("ab", "c", "defg");

        PackedDataset masked = packed(text, 6, MARKS, Packing.JOINED, true);
        PackedDataset open = packed(text, 6, MARKS, Packing.JOINED, false);

        assertEquals("_ab$_c", show(masked.get(0).labels()));
        assertEquals("$_defg", show(masked.get(1).labels()));
        assertEquals("^ab$^c", show(open.get(0).labels()));
        assertFalse(open.masksDocuments());
    }

    @Test
    void theOpeningMarkBelongsToTheDocumentThatGoesOnBehindIt() throws IOException {
        Path a = Files.writeString(dir.resolve("a.txt"), "abcde");
        Path b = Files.writeString(dir.resolve("b.txt"), "fghi");
        DataSettings settings =
                new DataSettings(
                        List.of(a.toString(), b.toString()),
                        List.of(),
                        List.of(),
                        DataFormat.TEXT,
                        6,
                        Packing.JOINED,
                        true,
                        0);

        PackedDataset data = Packed.load(settings, MARKS).train();

        assertEquals("^^abcd", show(data.get(0).ids()));
        assertArrayEquals(new int[] {0, 1, 1, 1, 1, 1}, data.get(0).documents());
        assertEquals("__abcd", show(data.get(0).labels()));
        assertEquals("^e$^fg", show(data.get(1).ids()));
        assertArrayEquals(new int[] {0, 0, 0, 1, 1, 1}, data.get(1).documents());
        assertEquals("_e$_fg", show(data.get(1).labels()));
    }

    /** A tokenizer to be changed in one place. */
    private static class Delegating implements TextTokenizer {
        private final TextTokenizer inner;

        Delegating(TextTokenizer inner) {
            this.inner = inner;
        }

        @Override
        public int[] encode(String text, boolean addSpecialTokens) {
            return inner.encode(text, addSpecialTokens);
        }

        @Override
        public String decode(int[] ids, boolean skipSpecialTokens) {
            return inner.decode(ids, skipSpecialTokens);
        }

        @Override
        public OptionalInt bosId() {
            return inner.bosId();
        }

        @Override
        public OptionalInt eosId() {
            return inner.eosId();
        }

        @Override
        public int vocabSize() {
            return inner.vocabSize();
        }
    }
}
