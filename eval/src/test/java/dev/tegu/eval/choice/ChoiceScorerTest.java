package dev.tegu.eval.choice;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.eval.CharTokenizer;
import dev.tegu.eval.EvalProgress;
import dev.tegu.eval.FakeModel;
import dev.tegu.eval.choice.ChoiceQuestion.Choice;
import dev.tegu.eval.choice.ChoiceScorer.Answers;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class ChoiceScorerTest {
    /** Row: the token before. Every number is an exact power of two. */
    private static final double[][] TABLE = {
        {0.5, 0.25, 0.125, 0.125},
        {0.125, 0.125, 0.25, 0.5},
        {0.25, 0.5, 0.125, 0.125},
        {0.125, 0.5, 0.25, 0.125}
    };

    private final FakeModel model = FakeModel.bigram(TABLE, 6);
    private final List<List<int[]>> forwards = new ArrayList<>();
    private final List<String> heard = new ArrayList<>();

    /** Reads the table, and remembers the contexts of each call. */
    private List<float[]> next(List<int[]> contexts, List<int[]> candidates) {
        forwards.add(contexts);
        return IntStream.range(0, contexts.size())
                .mapToObj(
                        i -> {
                            double[] row = TABLE[contexts.get(i)[contexts.get(i).length - 1]];
                            float[] logProbs = new float[candidates.get(i).length];
                            for (int c = 0; c < logProbs.length; c++) {
                                logProbs[c] = (float) Math.log(row[candidates.get(i)[c]]);
                            }
                            return logProbs;
                        })
                .toList();
    }

    private ChoiceResult score(Answers answers, ChoiceQuestion... questions) {
        EvalProgress progress = (task, done, total) -> heard.add(task + " " + done + "/" + total);
        return new ChoiceScorer(model, this::next, 2, "quiz", progress)
                .score(List.of(questions), answers);
    }

    private static ChoiceQuestion question(int[] context, int[]... answers) {
        List<Choice> choices = Stream.of(answers).map(ids -> new Choice(" x", ids, false)).toList();
        return new ChoiceQuestion("q", "s", OptionalInt.empty(), context, choices, 0);
    }

    private static int[] ids(int... ids) {
        return ids;
    }

    private static void assertHalves(int[] powers, double[] logProbs) {
        double[] expected = IntStream.of(powers).mapToDouble(p -> p * Math.log(0.5)).toArray();
        assertArrayEquals(expected, logProbs, 1e-6);
    }

    @Test
    @DisplayName("30: single-token answers are read from one forward pass over their context")
    void singleTokensTakeOneForwardEach() {
        ChoiceResult result =
                score(
                        Answers.SINGLE_TOKEN,
                        question(ids(2, 0), ids(0), ids(1), ids(2), ids(3)),
                        question(ids(0, 0, 1), ids(3), ids(0), ids(2), ids(1)),
                        question(ids(3), ids(1), ids(2)));

        assertEquals(2, forwards.size(), "three contexts in batches of two");
        assertEquals(List.of(3, 2), forwards.get(0).stream().map(ids -> ids.length).toList());
        assertEquals(List.of(1), forwards.get(1).stream().map(ids -> ids.length).toList());
        assertTrue(model.batches.isEmpty(), "no sequence was scored beside them");
        assertHalves(ids(1, 2, 3, 3), result.scores().get(0).logProbs());
        assertHalves(ids(1, 3, 2, 3), result.scores().get(1).logProbs());
        assertHalves(ids(1, 2), result.scores().get(2).logProbs());
        assertEquals(6, result.timing().processedTokens());
        assertEquals("single_token", result.config().get("answers"));
    }

    @Test
    void longerAnswersAreSummedOverTheirTokensAlone() {
        ChoiceResult result =
                score(
                        Answers.ANY,
                        question(ids(2, 0), ids(1, 3), ids(0, 0, 0), ids(2)),
                        question(ids(1), ids(3), ids(0)));

        // After 0: p(1) p(3 after 1) = 2^-2 2^-1; p(0) three times; p(2).
        assertHalves(ids(3, 3, 3), result.scores().get(0).logProbs());
        assertHalves(ids(1, 3), result.scores().get(1).logProbs());
        assertEquals(1, forwards.size());
        assertEquals(3, model.batches.stream().mapToInt(List::size).sum());
        assertEquals(1 + 4 + 5 + 3, result.timing().processedTokens());
        assertEquals(List.of("quiz 0/4", "quiz 1/4", "quiz 3/4", "quiz 4/4"), heard);
    }

    @Test
    @DisplayName("30: where the answer token must be single, another is refused by name")
    void severalTokensAreRefusedByName() {
        ChoiceQuestion letters =
                new QuestionEncoder(new CharTokenizer(true), true)
                        .encode("astronomy/3", "s", "x:", List.of(" A", " B"), 0);

        IllegalArgumentException error =
                assertThrows(
                        IllegalArgumentException.class,
                        () ->
                                score(
                                        Answers.SINGLE_TOKEN,
                                        question(ids(0), ids(1), ids(2)),
                                        letters));

        assertEquals(
                "question `astronomy/3`: answer ` A` is 2 tokens of this tokenizer; this task"
                        + " compares answers of one token, score it with answers of any length",
                error.getMessage());
        assertTrue(forwards.isEmpty(), "nothing may be scored before the check");
    }

    @Test
    void questionLongerThanTheModelIsRefusedNotCut() {
        IllegalArgumentException error =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> score(Answers.ANY, question(ids(0, 0, 0, 0, 0), ids(1), ids(1, 2))));

        assertEquals(
                "question `q`: 7 tokens, and the model takes 6; give fewer examples before it",
                error.getMessage());
        score(Answers.ANY, question(ids(0, 0, 0, 0, 0, 0), ids(1), ids(2)));
    }

    @Test
    void answerOutsideTheVocabularyIsRefused() {
        assertThrows(
                IllegalArgumentException.class,
                () -> score(Answers.SINGLE_TOKEN, question(ids(0), ids(1), ids(4))));
        assertTrue(forwards.isEmpty());
    }

    @Test
    void numberThatIsNoneStopsTheScoring() {
        ChoiceScorer scorer =
                new ChoiceScorer(
                        model,
                        (contexts, candidates) -> List.of(new float[] {-1, Float.NaN}),
                        2,
                        "quiz",
                        EvalProgress.NONE);

        IllegalStateException error =
                assertThrows(
                        IllegalStateException.class,
                        () -> scorer.score(List.of(question(ids(0), ids(1), ids(2))), Answers.ANY));

        assertTrue(error.getMessage().startsWith("quiz: question `q`: "), error.getMessage());
    }
}
