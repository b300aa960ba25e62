package dev.tegu.eval.choice;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.SharedFiles;
import dev.tegu.eval.CharTokenizer;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import dev.tegu.tokenizer.TextTokenizer;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class QuestionEncoderTest {
    private static final CharTokenizer CHARACTERS = new CharTokenizer(true);
    private static final List<String> LETTERS = List.of(" A", " B", " C", " D");

    /** An id a character, but {@code from} is the one token 200. */
    private record Merging(String from, OptionalInt bosId) implements TextTokenizer {
        @Override
        public int[] encode(String text, boolean addSpecialTokens) {
            return CHARACTERS.encode(text.replace(from, "\u00c7"), false);
        }

        @Override
        public String decode(int[] ids, boolean skipSpecialTokens) {
            throw new UnsupportedOperationException();
        }

        @Override
        public OptionalInt eosId() {
            return OptionalInt.empty();
        }

        @Override
        public int vocabSize() {
            return 201;
        }
    }

    private static Merging merging(String from) {
        return new Merging(from, OptionalInt.empty());
    }

    private static ChoiceQuestion encode(TextTokenizer tokenizer, boolean bos, String context) {
        return new QuestionEncoder(tokenizer, bos)
                .encode("q", "s", context, List.of(" A", "-B"), 0);
    }

    private static int[] ids(String text) {
        return CHARACTERS.encode(text, false);
    }

    private static String message(Runnable action) {
        return assertThrows(IllegalArgumentException.class, action::run).getMessage();
    }

    @Test
    void spacesAtTheEndOfTheContextMoveToTheAnswers() {
        ChoiceQuestion question = encode(CHARACTERS, false, "x: \n ");

        assertArrayEquals(ids("x:"), question.context());
        assertArrayEquals(ids(" \n  A"), question.choices().get(0).ids());
        assertArrayEquals(ids(" \n -B"), question.choices().get(1).ids());
        assertEquals(1, question.choices().get(0).characters(), "lengths are the answer's own");
        assertFalse(question.choices().get(0).splitsToken());
    }

    @Test
    void tokenOverTheBorderLeavesTheRestAfterTheContextsTokens() {
        ChoiceQuestion question = encode(merging(": "), false, "x:");

        assertArrayEquals(ids("x:"), question.context());
        assertArrayEquals(ids("A"), question.choices().get(0).ids(), "`x` and `: ` are taken");
        assertTrue(question.choices().get(0).splitsToken());
        assertArrayEquals(ids("-B"), question.choices().get(1).ids());
        assertFalse(question.choices().get(1).splitsToken());
    }

    @Test
    void answerThatTheContextsLastTokenSwallowsIsRefusedByName() {
        assertEquals(
                "question `q`: answer ` A` has no token of its own, its first characters belong to"
                        + " the context's last token; begin the answer with a space",
                message(() -> encode(merging(": A"), false, "x:")));
    }

    @Test
    void contextBeginsWithBosOnRequestWhateverTheTokenizersHabit() {
        for (boolean habit : new boolean[] {true, false}) {
            CharTokenizer tokenizer = new CharTokenizer(habit);

            ChoiceQuestion with = encode(tokenizer, true, "x");
            ChoiceQuestion without = encode(tokenizer, false, "x");

            assertArrayEquals(new int[] {0, 'x' + 1}, with.context());
            assertEquals(OptionalInt.of(0), with.bos());
            assertArrayEquals(new int[] {'x' + 1}, without.context());
            assertEquals(OptionalInt.empty(), without.bos());
            assertArrayEquals(with.choices().get(0).ids(), without.choices().get(0).ids());
        }
    }

    @Test
    void bosStandsAloneBeforeAnswersWithoutContext() {
        assertArrayEquals(new int[] {0}, encode(CHARACTERS, true, " ").context());
        assertEquals(
                "question `q`: no token stands before the answers, so none can be scored; add BOS",
                message(() -> encode(CHARACTERS, false, "")));
    }

    @Test
    void bosThatTheTokenizerLacksOrTheTextSpellsIsRefused() {
        TextTokenizer spelled = new Merging("<s>", OptionalInt.of(200));

        assertEquals(
                "BOS was asked for and the tokenizer has none; score without BOS",
                message(() -> encode(merging("?"), true, "x")));
        assertEquals(
                "question `q`: the context's text begins with BOS; remove it and ask for BOS"
                        + " instead",
                message(() -> encode(spelled, false, "<s>x")));
    }

    @Test
    @DisplayName(
            "30: the letters of MMLU are single tokens of real tokenizers, split at the border")
    void lettersAreSingleTokensOfRealTokenizers() throws IOException {
        for (String name : List.of("gpt2", "mistral-v1")) {
            try (HuggingFaceTextTokenizer tokenizer =
                    HuggingFaceTextTokenizer.load(SharedFiles.path("tokenizers/" + name))) {
                String context = "What is 2 + 2?\nA. 3\nB. 4\nC. 5\nD. 6\nAnswer:";

                ChoiceQuestion question =
                        new QuestionEncoder(tokenizer, false).encode("q", "s", context, LETTERS, 1);

                assertArrayEquals(tokenizer.encode(context, false), question.context(), name);
                assertTrue(question.isSingleToken(), name);
                assertTrue(question.choices().stream().noneMatch(c -> c.splitsToken()), name);
                int[] whole = tokenizer.encode(context + " D", false);
                int[] joined = Arrays.copyOf(question.context(), question.context().length + 1);
                joined[joined.length - 1] = question.choices().get(3).ids()[0];
                assertArrayEquals(whole, joined, name);
            }
        }
    }
}
