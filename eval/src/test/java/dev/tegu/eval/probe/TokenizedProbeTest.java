package dev.tegu.eval.probe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.eval.CharTokenizer;
import dev.tegu.eval.probe.ProbeDocument.Question;
import dev.tegu.model.TokenScores;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TokenizedProbeTest {
    private static final ProbeDocument TWO =
            new ProbeDocument(
                    "k: 12",
                    List.of(new Question("\nk?", " 12", 5), new Question("\nl?", " 3", 1)));

    /** Like the other tokenizer, but a question mark and the space after it are one token, 200. */
    private record Merging(CharTokenizer plain) implements TextTokenizer {
        @Override
        public int[] encode(String text, boolean addSpecialTokens) {
            return plain.encode(text.replace("? ", "\u00c7"), addSpecialTokens);
        }

        @Override
        public String decode(int[] ids, boolean skipSpecialTokens) {
            return plain.decode(ids, skipSpecialTokens);
        }

        @Override
        public OptionalInt bosId() {
            return plain.bosId();
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

    private static List<String> answers(TextTokenizer tokenizer, TokenizedProbe probe) {
        return probe.answers().stream()
                .map(
                        span ->
                                tokenizer.decode(
                                        Arrays.copyOfRange(probe.ids(), span.from(), span.to()),
                                        false))
                .toList();
    }

    @Test
    void spansCoverTheAnswersAndNothingElse() {
        CharTokenizer tokenizer = new CharTokenizer(true);

        TokenizedProbe probe = TokenizedProbe.of(tokenizer, TWO);

        assertEquals("<bos>k: 12\nk? 12\nl? 3", tokenizer.decode(probe.ids(), false));
        assertEquals(List.of(" 12", " 3"), answers(tokenizer, probe));
    }

    @Test
    void withoutBosNothingIsPutBefore() {
        CharTokenizer tokenizer = new CharTokenizer(false);

        TokenizedProbe probe = TokenizedProbe.of(tokenizer, TWO);

        assertEquals(TWO.text(), tokenizer.decode(probe.ids(), false));
        assertEquals(List.of(" 12", " 3"), answers(tokenizer, probe));
    }

    @Test
    void tokenOverTheBorderMakesThePiecesBeTokenisedOneByOne() {
        Merging tokenizer = new Merging(new CharTokenizer(true));
        assertEquals(
                TWO.text().length() - 2,
                tokenizer.encode(TWO.text(), false).length,
                "the tokenizer must merge at both borders");

        TokenizedProbe probe = TokenizedProbe.of(tokenizer, TWO);

        assertEquals("<bos>k: 12\nk? 12\nl? 3", tokenizer.decode(probe.ids(), false));
        assertEquals(List.of(" 12", " 3"), answers(tokenizer, probe));
    }

    @Test
    void bosOfATokenizerThatAddsItIsOneId() {
        assertArrayEquals(new int[] {0}, TokenizedProbe.bos(new CharTokenizer(true)));
        assertArrayEquals(new int[0], TokenizedProbe.bos(new CharTokenizer(false)));
    }

    @Test
    void answerIsExactOnlyIfEveryTokenOfItIsGreedy() {
        TokenizedProbe probe = TokenizedProbe.of(new CharTokenizer(true), TWO);
        boolean[] all = new boolean[probe.ids().length - 1];
        Arrays.fill(all, true);
        boolean[] answersAlone = new boolean[all.length];
        probe.answers()
                .forEach(
                        span ->
                                IntStream.range(span.from(), span.to())
                                        .forEach(t -> answersAlone[t - 1] = true));
        boolean[] oneWrong = answersAlone.clone();
        oneWrong[probe.answers().get(0).to() - 2] = false;
        float[] logProbs = new float[all.length];

        assertEquals(1, probe.exactShare(new TokenScores(logProbs, all), 0).getAsDouble());
        assertEquals(1, probe.exactShare(new TokenScores(logProbs, answersAlone), 0).getAsDouble());
        TokenScores half = new TokenScores(logProbs, oneWrong);
        assertEquals(0.5, probe.exactShare(half, 0).getAsDouble());
    }

    /** BOS and "k: 12" are tokens 0 to 5, the answers begin behind "\nk?" and "\nl?". */
    @Test
    void distanceCountsFromTheFactsLastTokenToThePredictingOne() {
        TokenizedProbe probe = TokenizedProbe.of(new CharTokenizer(true), TWO);
        int first = "k: 12\nk?".length() - "k: 12".length();
        int second = "k: 12\nk? 12\nl?".length() - "k".length();
        boolean[] secondWrong = new boolean[probe.ids().length - 1];
        Arrays.fill(secondWrong, 0, probe.answers().get(0).to(), true);
        TokenScores scores = new TokenScores(new float[secondWrong.length], secondWrong);

        assertEquals(
                List.of(first, second),
                probe.answers().stream().map(TokenizedProbe.Span::distance).toList());
        assertEquals(0.5, probe.exactShare(scores, first).getAsDouble());
        assertEquals(0, probe.exactShare(scores, first + 1).getAsDouble());
        assertTrue(probe.exactShare(scores, second + 1).isEmpty());
    }

    @Test
    void answerWithoutTokensIsRefused() {
        ProbeDocument empty = new ProbeDocument("k", List.of(new Question("\nk?", "", 1)));

        assertThrows(
                IllegalArgumentException.class,
                () -> TokenizedProbe.of(new CharTokenizer(true), empty));
        assertThrows(IllegalArgumentException.class, () -> new ProbeDocument("k", List.of()));
    }
}
