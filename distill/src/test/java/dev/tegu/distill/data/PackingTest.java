package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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
}
