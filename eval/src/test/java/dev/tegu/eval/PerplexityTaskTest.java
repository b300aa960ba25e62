package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.InvalidValueException;
import dev.tegu.model.LanguageModel;
import dev.tegu.model.StopRule;
import dev.tegu.model.TokenScores;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class PerplexityTaskTest {
    private static final CharTokenizer WITH_BOS = new CharTokenizer(true);
    private static final CharTokenizer WITHOUT_BOS = new CharTokenizer(false);

    /** Ids 0 (BOS), 1 and 2 for the letters a and b. */
    private record Letters() implements TextTokenizer {
        @Override
        public int[] encode(String text, boolean addSpecialTokens) {
            return ((addSpecialTokens ? "`" : "") + text).chars().map(c -> c - '`').toArray();
        }

        @Override
        public String decode(int[] ids, boolean skipSpecialTokens) {
            StringBuilder text = new StringBuilder();
            for (int id : ids) {
                text.append((char) (id + '`'));
            }
            return text.toString();
        }

        @Override
        public OptionalInt bosId() {
            return OptionalInt.of(0);
        }

        @Override
        public OptionalInt eosId() {
            return OptionalInt.empty();
        }

        @Override
        public int vocabSize() {
            return 3;
        }
    }

    private static TaskResult run(
            LanguageModel model, TextTokenizer tokenizer, String text, EvalSettings settings) {
        EvalInput input = new EvalInput(model, tokenizer, Settings.text(text));
        return EvalTasks.named("perplexity").run(input, settings, EvalProgress.NONE);
    }

    @Test
    void uniformModelHasThePerplexityOfItsVocabularySizeAndNoError() {
        TaskResult result =
                run(
                        FakeModel.uniform(129, 64),
                        WITH_BOS,
                        "Any text will do, of any length.",
                        Settings.perplexity(9, 1_000));

        assertEquals(129, result.metric("token_perplexity").value(), 129 * 1e-6);
        assertEquals(Math.log(129), result.metric("token_nll").value(), 1e-6);
        assertEquals(0, result.metric("token_nll").standardError().getAsDouble(), 1e-12);
        assertEquals(32, result.scoredTokens());
    }

    @Test
    void bigramTableGivesTheNumberWorkedOutByHand() {
        double[][] table = {{0, 0.5, 0.5}, {0, 0.25, 0.75}, {0, 1, 0}};

        TaskResult result =
                run(
                        FakeModel.bigram(table, 64),
                        new Letters(),
                        "abaab",
                        Settings.perplexity(4, 1_000));

        // Windows: BOS a b a | BOS a b. Probabilities: 1/2 3/4 1 | 1/2 3/4; product 9/64.
        assertEquals(Math.pow(64 / 9.0, 1 / 5.0), result.metric("token_perplexity").value(), 1e-6);
        double mean = Math.log(64 / 9.0) / 5;
        double squares =
                2 * Math.pow(Math.log(2) - mean, 2)
                        + 2 * Math.pow(Math.log(4 / 3.0) - mean, 2)
                        + mean * mean;
        double error = Math.sqrt(squares / 4 / 5);
        assertEquals(error, result.metric("token_nll").standardError().getAsDouble(), 1e-6);
        assertEquals(
                error * Math.exp(mean),
                result.metric("token_perplexity").standardError().getAsDouble(),
                1e-6);
    }

    @Test
    void windowsAreDisjointAfterBosAndTheShortLastOneIsKept() {
        FakeModel model = FakeModel.uniform(129, 64);

        TaskResult result = run(model, WITH_BOS, "abcdefghij", Settings.perplexity(5, 1_000));

        List<String> windows =
                model.batches.stream()
                        .flatMap(List::stream)
                        .map(ids -> WITH_BOS.decode(ids, false))
                        .sorted()
                        .toList();
        assertEquals(List.of("<bos>abcd", "<bos>efgh", "<bos>ij"), windows);
        assertEquals(10, result.scoredTokens());
        assertEquals(3, result.originalSamples());
        assertEquals(13, result.timing().processedTokens());
        assertTrue(result.timing().seconds() > 0);
    }

    @Test
    void withoutBosTheFirstTokenOfEachWindowIsNotScored() {
        FakeModel model = FakeModel.uniform(129, 64);

        TaskResult result = run(model, WITHOUT_BOS, "abcdefghi", Settings.perplexity(5, 1_000));

        List<String> windows =
                model.batches.stream()
                        .flatMap(List::stream)
                        .map(ids -> WITHOUT_BOS.decode(ids, false))
                        .sorted()
                        .toList();
        assertEquals(List.of("abcd", "efgh"), windows, "a lone last token has nothing to score");
        assertEquals(6, result.scoredTokens());
        assertEquals(false, result.config().get("bos"));
    }

    @Test
    void contextIsNoLongerThanTheModelsPositions() {
        FakeModel model = FakeModel.uniform(129, 4);

        TaskResult result = run(model, WITH_BOS, "abcdefghij", Settings.perplexity(100, 1_000));

        int longest =
                model.batches.stream()
                        .flatMap(List::stream)
                        .map(ids -> ids.length)
                        .max(Comparator.naturalOrder())
                        .orElseThrow();
        assertEquals(4, longest);
        assertEquals(4, result.config().get("context"));
    }

    @Test
    void maxTokensCutsEachTextAndTheLimitCutsTheWindows() {
        FakeModel model = FakeModel.uniform(129, 64);
        EvalData two =
                new EvalData(
                        List.of(
                                new EvalData.NamedText("a", "abcdefghijkl"),
                                new EvalData.NamedText("b", "mnopqrstuvwx")));
        EvalInput input = new EvalInput(model, WITH_BOS, two);
        EvalSettings settings = Settings.perplexity(5, 6);

        TaskResult whole = EvalTasks.named("perplexity").run(input, settings, EvalProgress.NONE);
        TaskResult limited =
                EvalTasks.named("perplexity")
                        .run(input, Settings.limited(settings, 3), EvalProgress.NONE);

        assertEquals(12, whole.scoredTokens());
        assertEquals(4, whole.effectiveSamples());
        assertEquals(
                10, limited.scoredTokens(), "two windows of the first text, one of the second");
        assertEquals(4, limited.originalSamples());
        assertEquals(3, limited.effectiveSamples());
    }

    @Test
    void impossibleTokenGivesInfinitePerplexity() {
        double[][] table = {{0, 1, 0}, {0, 0, 1}, {0, 0, 1}};

        TaskResult result =
                run(FakeModel.bigram(table, 64), new Letters(), "aa", Settings.perplexity(9, 9));

        assertEquals(Double.POSITIVE_INFINITY, result.metric("token_perplexity").value());
        assertTrue(result.metric("token_perplexity").standardError().isEmpty());
    }

    @Test
    void refusesEmptyText() {
        InvalidValueException error =
                assertThrows(
                        InvalidValueException.class,
                        () ->
                                run(
                                        FakeModel.uniform(129, 64),
                                        WITH_BOS,
                                        "",
                                        Settings.perplexity(5, 10)));

        assertTrue(error.getMessage().contains("text.txt"), error.getMessage());
    }

    @Test
    void refusesTokensThatTheModelDoesNotKnow() {
        IllegalArgumentException error =
                assertThrows(
                        IllegalArgumentException.class,
                        () ->
                                run(
                                        FakeModel.uniform(50, 64),
                                        WITH_BOS,
                                        "abc",
                                        Settings.perplexity(5, 10)));

        assertEquals(
                "perplexity: token id 98 is not in the model's vocabulary of 50;"
                        + " the tokenizer belongs to another model",
                error.getMessage());
    }

    @Test
    void refusesNumbersThatAreNone() {
        double[][] table = {{0, 1, 0}, {0, Double.NaN, 1}, {0, 0, 1}};

        IllegalStateException error =
                assertThrows(
                        IllegalStateException.class,
                        () ->
                                run(
                                        FakeModel.bigram(table, 64),
                                        new Letters(),
                                        "aa",
                                        Settings.perplexity(9, 9)));

        assertTrue(
                error.getMessage().contains("of token 2 of a sequence of 3"), error.getMessage());
    }

    @Test
    void refusesAnswersOfAnotherLength() {
        LanguageModel model =
                new LanguageModel() {
                    @Override
                    public int vocabSize() {
                        return 129;
                    }

                    @Override
                    public int maxPositions() {
                        return 9;
                    }

                    @Override
                    public List<TokenScores> score(List<int[]> sequences) {
                        return sequences.stream()
                                .map(s -> new TokenScores(new float[1], new boolean[1]))
                                .toList();
                    }

                    @Override
                    public List<TokenScores> score(List<int[]> sequences, List<int[]> targets) {
                        throw new AssertionError("asked about other tokens");
                    }

                    @Override
                    public List<int[]> generate(
                            List<int[]> prompts, int maxNewTokens, StopRule stop) {
                        throw new AssertionError("asked for text");
                    }
                };

        assertThrows(
                IllegalStateException.class,
                () -> run(model, WITH_BOS, "abc", Settings.perplexity(5, 10)));
    }

    @Test
    void meanAndErrorAreThoseOfTheTextbook() {
        MeanAndError four = MeanAndError.of(new double[] {1, 1, 0, 0});

        assertEquals(0.5, four.mean());
        assertEquals(Math.sqrt(1 / 3.0 / 4), four.standardError().getAsDouble(), 1e-15);
        assertTrue(MeanAndError.of(new double[] {3}).standardError().isEmpty());
        assertArrayEquals(
                new double[] {2, 0},
                new double[] {
                    MeanAndError.of(new double[] {2, 2}).mean(),
                    MeanAndError.of(new double[] {2, 2}).standardError().getAsDouble()
                });
    }
}
