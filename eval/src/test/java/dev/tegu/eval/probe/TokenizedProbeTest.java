package dev.tegu.eval.probe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

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
                    "k: 12", List.of(new Question("\nk?", " 12"), new Question("\nl?", " 3")));

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

        assertEquals(1, probe.exactShare(new TokenScores(logProbs, all)));
        assertEquals(1, probe.exactShare(new TokenScores(logProbs, answersAlone)));
        assertEquals(0.5, probe.exactShare(new TokenScores(logProbs, oneWrong)));
    }

    @Test
    void answerWithoutTokensIsRefused() {
        ProbeDocument empty = new ProbeDocument("k", List.of(new Question("\nk?", "")));

        assertThrows(
                IllegalArgumentException.class,
                () -> TokenizedProbe.of(new CharTokenizer(true), empty));
        assertThrows(IllegalArgumentException.class, () -> new ProbeDocument("k", List.of()));
    }
}
