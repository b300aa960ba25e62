package dev.tegu.eval.choice;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.eval.EvalProgress;
import dev.tegu.eval.choice.ChoiceQuestion.Choice;
import dev.tegu.eval.choice.ChoiceScorer.Answers;
import dev.tegu.eval.choice.ChoiceScores.Measure;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.StudentConfig;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Real forward passes, on models of a few thousand weights. */
class ChoiceBatchTest {
    private static final int QUESTIONS = 24;
    private static final String LOLCATS =
            "{feature_map: {kind: hedgehog, feature_dim: 4}, window: {size: 16},"
                    + " linear_scope: outside_window, combine: shared_denominator}";

    /** A teacher or its student, of positions beyond one chunk of linear attention. */
    private DecoderModel model(String kind) throws IOException {
        ObjectNode config = TinyModels.config(false).put("max_position_embeddings", 160);
        if (kind.equals("student")) {
            config = StudentConfig.of(config, "test", TinyModels.spec(LOLCATS));
        }
        DecoderModel model = TinyModels.random(config, 4);
        TinyModels.disturb(model);
        return model;
    }

    /** Contexts of 1 to 150 tokens, four answers of one token, or of one to five. */
    private static List<ChoiceQuestion> questions(int longestAnswer) {
        SplittableRandom random = new SplittableRandom(11);
        List<ChoiceQuestion> questions = new ArrayList<>();
        for (int q = 0; q < QUESTIONS; q++) {
            int[] context = ids(random, 1 + random.nextInt(150));
            List<Choice> choices =
                    IntStream.range(0, 4)
                            .mapToObj(
                                    i ->
                                            new Choice(
                                                    " answer " + "x".repeat(i),
                                                    ids(random, 1 + random.nextInt(longestAnswer)),
                                                    false))
                            .toList();
            questions.add(
                    new ChoiceQuestion(
                            "q" + q, "s" + q % 3, OptionalInt.empty(), context, choices, q % 4));
        }
        return questions;
    }

    private static int[] ids(SplittableRandom random, int length) {
        return random.ints(length, 0, 40).toArray();
    }

    private static ChoiceResult score(
            DecoderModel model, int batchSize, List<ChoiceQuestion> questions) {
        return new ChoiceScorer(model, NextTokens.of(model), batchSize, "quiz", EvalProgress.NONE)
                .score(questions, Answers.ANY);
    }

    private static double[] flat(ChoiceResult result) {
        return result.scores().stream()
                .flatMapToDouble(score -> Arrays.stream(score.logProbs()))
                .toArray();
    }

    private static double distance(double[] a, double[] b) {
        assertEquals(a.length, b.length);
        return IntStream.range(0, a.length)
                .mapToDouble(i -> Math.abs(a[i] - b[i]))
                .max()
                .orElseThrow();
    }

    @ParameterizedTest
    @CsvSource({"teacher, 1", "teacher, 5", "student, 1", "student, 5"})
    @DisplayName("30: a batch of 1 and a batch of many give equal scores")
    void batchSizeDoesNotMatter(String kind, int longestAnswer) throws IOException {
        try (DecoderModel model = model(kind)) {
            List<ChoiceQuestion> questions = questions(longestAnswer);
            ChoiceResult one = score(model, 1, questions);

            for (int batchSize : new int[] {2, 7, 1_000}) {
                ChoiceResult many = score(model, batchSize, questions);

                double off = distance(flat(one), flat(many));
                assertTrue(off <= 1e-5, "batch of " + batchSize + ": " + off);
                for (Measure measure : Measure.values()) {
                    assertEquals(one.subjects(measure), many.subjects(measure));
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "student"})
    @DisplayName("30: one forward pass gives what a sequence an answer gives")
    void oneForwardEqualsSequences(String kind) throws IOException {
        try (DecoderModel model = model(kind)) {
            List<ChoiceQuestion> questions = questions(1);

            double[] together = flat(score(model, 5, questions));

            double[] apart =
                    questions.stream()
                            .flatMap(
                                    question ->
                                            question.choices().stream()
                                                    .map(choice -> joined(question, choice)))
                            .mapToDouble(
                                    ids ->
                                            model.score(List.of(ids))
                                                    .get(0)
                                                    .logProb(ids.length - 1, ids.length))
                            .toArray();
            double off = distance(apart, together);
            assertTrue(off <= 1e-5, "off by " + off);
            double spread =
                    IntStream.range(1, apart.length)
                            .mapToDouble(i -> Math.abs(apart[i] - apart[i - 1]))
                            .average()
                            .orElseThrow();
            assertTrue(spread > 0.5, "the answers must differ: " + spread);
        }
    }

    private static int[] joined(ChoiceQuestion question, Choice choice) {
        return IntStream.concat(IntStream.of(question.context()), IntStream.of(choice.ids()))
                .toArray();
    }

    @Test
    void scoringLeavesNoArrayBehind() throws IOException {
        try (DecoderModel model = model("student")) {
            score(model, 5, questions(5));
            int before = model.manager().getManagedArrays().size();

            score(model, 5, questions(1));

            assertEquals(before, model.manager().getManagedArrays().size());
        }
    }
}
