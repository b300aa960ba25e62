package dev.tegu.eval.choice;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.eval.MeanAndError;
import dev.tegu.eval.Metric;
import dev.tegu.eval.TaskResult;
import dev.tegu.eval.choice.ChoiceQuestion.Choice;
import dev.tegu.eval.choice.ChoiceScores.Measure;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class ChoiceResultTest {
    private static final TaskResult.Timing TIMING = new TaskResult.Timing(1, 1);

    private static ChoiceQuestion question(String subject, OptionalInt bos, String... answers) {
        List<Choice> choices =
                Stream.of(answers).map(text -> new Choice(text, new int[] {1}, false)).toList();
        return new ChoiceQuestion("q", subject, bos, new int[] {7}, choices, 0);
    }

    private static ChoiceScores rated(String[] answers, double... logProbs) {
        return new ChoiceScores(question("s", OptionalInt.empty(), answers), logProbs);
    }

    /** Questions of a subject, the first {@code right} of them answered rightly. */
    private static Stream<ChoiceScores> subject(String name, int right, int all) {
        ChoiceQuestion question = question(name, OptionalInt.empty(), " A", " B");
        return IntStream.range(0, all)
                .mapToObj(
                        i ->
                                new ChoiceScores(
                                        question,
                                        i < right ? new double[] {-1, -2} : new double[] {-2, -1}));
    }

    private static ChoiceResult result(Stream<ChoiceScores> scores) {
        return new ChoiceResult(scores.toList(), ChoiceScorer.Answers.ANY, TIMING);
    }

    private static void assertAverage(double mean, double error, MeanAndError found) {
        assertEquals(mean, found.mean(), 1e-12);
        assertEquals(error, found.standardError().getAsDouble(), 1e-12);
    }

    @Test
    @DisplayName("30: acc, acc_norm and acc_bytes divide by nothing, characters and UTF-8 bytes")
    void measuresDivideByTheirOwnLengths() {
        String[] answers = {" a", " \ud83d\ude00\ud83d\ude00", " bbbb"};

        // Divided by 1, 2, 4 characters: -1, -1.2, -0.7; by 1, 8, 4 bytes: -1, -0.3, -0.7.
        ChoiceScores scores = rated(answers, -1, -2.4, -2.8);

        assertEquals(0, scores.best(Measure.ACC));
        assertEquals(2, scores.best(Measure.ACC_NORM));
        assertEquals(1, scores.best(Measure.ACC_BYTES));
    }

    @Test
    void leadingSpaceCountsInNoLength() {
        // With the space the second would be -3 / 3 = -1 against -2.2 / 2 = -1.1 and win.
        ChoiceScores scores = rated(new String[] {" a", " bb"}, -1.4, -3);
        ChoiceScores same = rated(new String[] {"a", "bb"}, -1.4, -3);

        for (Measure measure : Measure.values()) {
            assertEquals(0, scores.best(measure), measure.metric());
            assertEquals(0, same.best(measure), measure.metric());
        }
    }

    @Test
    @DisplayName("30: of tied answers the lowest index wins")
    void lowestIndexWinsTies() {
        double impossible = Double.NEGATIVE_INFINITY;
        String[] three = {" a", " b", " c"};
        for (Measure measure : Measure.values()) {
            assertEquals(0, rated(three, -2, -2, -2).best(measure));
            assertEquals(1, rated(three, -3, -2, -2).best(measure));
            assertEquals(0, rated(three, impossible, impossible, impossible).best(measure));
            assertEquals(2, rated(three, impossible, impossible, -90).best(measure));
        }
        // A tie of the lengths' making: -2 / 1 and -4 / 2.
        assertEquals(0, rated(new String[] {" a", " bb"}, -2, -4).best(Measure.ACC_NORM));
        assertEquals(0, rated(new String[] {" bb", " a"}, -4, -2).best(Measure.ACC_NORM));
    }

    @Test
    @DisplayName("30: micro average over questions against macro average over subjects")
    void microCountsQuestionsAndMacroSubjects() {
        ChoiceResult result =
                result(
                        Stream.of(
                                        subject("large", 6, 8),
                                        subject("small", 0, 2),
                                        subject("even", 1, 2))
                                .flatMap(s -> s));

        // 7 of 12 right; sqrt(7/12 * 5/12 / 11).
        assertAverage(7 / 12.0, Math.sqrt(35 / 144.0 / 11), result.micro(Measure.ACC));
        // (3/4 + 0 + 1/2) / 3; errors sqrt(3/16 / 7), 0 and sqrt(1/4 / 1).
        assertAverage(5 / 12.0, Math.sqrt(3 / 112.0 + 0 + 1 / 4.0) / 3, result.macro(Measure.ACC));
        assertEquals(
                List.of("large", "small", "even"),
                List.copyOf(result.subjects(Measure.ACC).keySet()));
        assertEquals(
                List.of(
                        "acc",
                        "acc_norm",
                        "acc_bytes",
                        "acc_macro",
                        "acc_norm_macro",
                        "acc_bytes_macro"),
                result.metrics().stream().map(Metric::name).toList());
        assertEquals(5 / 12.0, result.metrics().get(3).value(), 1e-12);
    }

    @Test
    void subjectOfOneQuestionHidesTheMacroErrorAlone() {
        ChoiceResult result = result(Stream.concat(subject("a", 1, 1), subject("b", 1, 2)));

        assertEquals(0.75, result.macro(Measure.ACC).mean());
        assertTrue(result.macro(Measure.ACC).standardError().isEmpty());
        assertAverage(2 / 3.0, 1 / 3.0, result.micro(Measure.ACC));
        assertEquals(3, result(subject("a", 1, 4)).metrics().size(), "one subject has one average");
    }

    @Test
    @DisplayName("30: BOS on and off is recorded in the result, and never mixed")
    void bosIsRecorded() {
        ChoiceScores with =
                new ChoiceScores(
                        question("s", OptionalInt.of(7), " A", " B"), new double[] {-1, -2});
        ChoiceScores without = rated(new String[] {" A", " B"}, -1, -2);

        assertEquals(true, result(Stream.of(with, with)).config().get("bos"));
        assertEquals(false, result(Stream.of(without)).config().get("bos"));
        IllegalArgumentException mixed =
                assertThrows(
                        IllegalArgumentException.class, () -> result(Stream.of(with, without)));
        assertEquals(
                "question `q`: does not begin with BOS, unlike `q`; encode all questions with one"
                        + " encoder",
                mixed.getMessage());
        assertThrows(
                IllegalArgumentException.class,
                () -> question("s", OptionalInt.of(3), " A", " B"),
                "a record of BOS must be true");
    }
}
