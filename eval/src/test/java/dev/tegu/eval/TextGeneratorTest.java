package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.tokenizer.TextTokenizer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class TextGeneratorTest {
    private static final CharTokenizer CHARACTERS = new CharTokenizer(false);

    /** Counts on from the last character. */
    private static FakeModel counter() {
        return new FakeModel(
                129,
                64,
                new FakeModel.Rule() {
                    @Override
                    public double probability(int[] prefix, int next) {
                        return best(prefix) == next ? 1 : 0;
                    }

                    @Override
                    public int best(int[] prefix) {
                        return prefix[prefix.length - 1] + 1;
                    }
                });
    }

    private static List<TextGenerator.Written> write(
            EvalInput input, int maxNewTokens, String... until) {
        return new TextGenerator(input, 2, "test", EvalProgress.NONE, maxNewTokens, List.of(until))
                .write(
                        List.of(
                                CHARACTERS.encode("a", false),
                                CHARACTERS.encode("xxk", false),
                                CHARACTERS.encode("uu", false)))
                .scores();
    }

    private static EvalInput input(TextTokenizer tokenizer, AnswerCache cache) {
        return new EvalInput(counter(), tokenizer, EvalData.none(), cache);
    }

    @Test
    void textEndsBeforeTheFirstStopAndAtTheLimit() {
        List<TextGenerator.Written> written =
                write(input(CHARACTERS, AnswerCache.none()), 5, "p", "no", "de");

        assertEquals(
                List.of(
                        new TextGenerator.Written("bc", 4),
                        new TextGenerator.Written("lm", 4),
                        new TextGenerator.Written("vwxyz", 5)),
                written);
    }

    @Test
    void endOfTextEndsAnAnswerAndIsNotInIt() {
        TextTokenizer ended =
                new TextTokenizer() {
                    @Override
                    public int[] encode(String text, boolean addSpecialTokens) {
                        return CHARACTERS.encode(text, addSpecialTokens);
                    }

                    @Override
                    public String decode(int[] ids, boolean skipSpecialTokens) {
                        return CHARACTERS.decode(ids, skipSpecialTokens);
                    }

                    @Override
                    public OptionalInt bosId() {
                        return OptionalInt.empty();
                    }

                    @Override
                    public OptionalInt eosId() {
                        return OptionalInt.of('d' + 1);
                    }

                    @Override
                    public int vocabSize() {
                        return 129;
                    }
                };

        List<TextGenerator.Written> written = write(input(ended, AnswerCache.none()), 4);

        assertEquals(new TextGenerator.Written("bc", 3), written.get(0));
        assertEquals("lmno", written.get(1).text());
    }

    @Test
    void knownAnswersAreNotAskedAgain() {
        Map<AnswerKey, List<double[]>> kept = new HashMap<>();
        AnswerCache cache =
                new AnswerCache() {
                    @Override
                    public Optional<List<double[]>> find(AnswerKey batch) {
                        return Optional.ofNullable(kept.get(batch));
                    }

                    @Override
                    public void put(AnswerKey batch, List<double[]> answers) {
                        kept.put(batch, answers);
                    }
                };
        EvalInput first = input(CHARACTERS, cache);
        EvalInput second = input(CHARACTERS, cache);
        EvalInput other = input(CHARACTERS, cache);

        List<TextGenerator.Written> written = write(first, 3, "z");

        assertEquals(written, write(second, 3, "z"));
        assertTrue(((FakeModel) second.model()).batches.isEmpty());
        write(other, 3, "y");
        assertEquals(2, ((FakeModel) other.model()).batches.size(), "another stop asks again");
    }
}
