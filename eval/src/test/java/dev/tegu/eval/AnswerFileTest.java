package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.model.TokenScores;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AnswerFileTest {
    private static final AnswerKey ONE = AnswerKey.of("kind", List.of(new int[] {1, 2}));
    private static final AnswerKey TWO = AnswerKey.of("kind", List.of(new int[] {3}));
    private static final List<double[]> ANSWERS =
            List.of(new double[] {-0.1, 1}, new double[0], new double[] {Double.MIN_VALUE});

    @TempDir private Path dir;
    private final List<String> notices = new ArrayList<>();
    private Path file;

    @BeforeEach
    void writeTwoBatches() throws IOException {
        file = dir.resolve("answers.bin");
        try (AnswerFile answers = open("model", true)) {
            answers.put(ONE, ANSWERS);
            answers.put(TWO, List.of(new double[] {7}));
        }
    }

    private AnswerFile open(String identity, boolean resumes) throws IOException {
        return AnswerFile.open(file, identity, resumes, notices::add);
    }

    private int known(String identity, boolean resumes) throws IOException {
        try (AnswerFile answers = open(identity, resumes)) {
            return (answers.find(ONE).isPresent() ? 1 : 0)
                    + (answers.find(TWO).isPresent() ? 1 : 0);
        }
    }

    @Test
    void answersComeBackToTheBit() throws IOException {
        try (AnswerFile answers = open("model", true)) {
            List<double[]> found = answers.find(ONE).orElseThrow();
            assertEquals(3, found.size());
            for (int i = 0; i < 3; i++) {
                assertArrayEquals(ANSWERS.get(i), found.get(i));
            }
            assertTrue(
                    answers.find(AnswerKey.of("other kind", List.of(new int[] {1, 2}))).isEmpty());
            assertTrue(
                    answers.find(AnswerKey.of("kind", List.of(new int[] {1}, new int[] {2})))
                            .isEmpty());
        }
        assertEquals(List.of(), notices);
    }

    @Test
    void anotherModelsAnswersAreNotUsed() throws IOException {
        assertEquals(0, known("another model", true));

        assertEquals(1, notices.size());
        assertTrue(notices.get(0).startsWith(file + ": answers of another model"), notices.get(0));
        assertEquals(0, known("model", true), "the file is the other model's now");
    }

    @Test
    void withoutResumeAllBeginsAnew() throws IOException {
        assertEquals(0, known("model", false));
        assertEquals(List.of(), notices);
    }

    @Test
    void aFileThatIsCutOffAnywhereKeepsItsWholeBatches() throws IOException {
        byte[] whole = Files.readAllBytes(file);
        int second = 8 + 32 + 4 + 4 + 8;
        for (int length = 0; length < whole.length; length++) {
            Files.write(file, Arrays.copyOf(whole, length));
            int expected = length >= whole.length - second ? 1 : 0;
            assertEquals(expected, known("model", true), "cut to " + length);
            try (AnswerFile answers = open("model", true)) {
                answers.put(TWO, List.of(new double[] {8}));
            }
            try (AnswerFile answers = open("model", true)) {
                assertEquals(8, answers.find(TWO).orElseThrow().get(0)[0], "cut to " + length);
            }
        }
    }

    @Test
    void aDamagedByteEndsTheFileThere() throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 3] ^= 1;
        Files.write(file, bytes);

        assertEquals(1, known("model", true));

        assertTrue(
                notices.get(0).contains("cut off or damaged, after 1 whole batches"),
                notices.get(0));
    }

    @Test
    void twoEvaluationsDoNotWriteOneFile() throws IOException {
        try (AnswerFile first = open("model", true)) {
            IOException error = assertThrows(IOException.class, () -> open("model", true));
            assertTrue(error.getMessage().contains("another evaluation"), error.getMessage());
            assertTrue(first.find(ONE).isPresent());
        }
    }

    @Test
    void aKnownBatchIsNotAskedAgainAndTheRestIs() throws IOException {
        List<int[]> sequences = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            sequences.add(new int[] {i, i + 1, 2 * i, 5});
        }
        FakeModel whole = FakeModel.uniform(20, 64);
        BatchScorer.Scored<TokenScores> expected =
                new BatchScorer(whole, 2, "t", EvalProgress.NONE).score(sequences);
        FakeModel dying = FakeModel.uniform(20, 64);
        List<Integer> done = new ArrayList<>();
        try (AnswerFile answers = open("model", true)) {
            BatchScorer scorer =
                    new BatchScorer(
                            dying,
                            answers,
                            2,
                            "t",
                            (task, count, total) -> {
                                if (count == 4) {
                                    throw new IllegalStateException("killed");
                                }
                            });
            assertThrows(IllegalStateException.class, () -> scorer.score(sequences));
        }

        FakeModel resumed = FakeModel.uniform(20, 64);
        BatchScorer.Scored<TokenScores> found;
        try (AnswerFile answers = open("model", true)) {
            found =
                    new BatchScorer(
                                    resumed,
                                    answers,
                                    2,
                                    "t",
                                    (task, count, total) -> done.add(count))
                            .score(sequences);
        }

        assertEquals(2, dying.batches.size());
        assertEquals(2, resumed.batches.size());
        assertEquals(List.of(4, 6, 7), done);
        for (int i = 0; i < 7; i++) {
            assertArrayEquals(
                    expected.scores().get(i).logProbs(), found.scores().get(i).logProbs());
            assertArrayEquals(expected.scores().get(i).greedy(), found.scores().get(i).greedy());
        }
        assertEquals(3, found.timing().asked());
        assertEquals(7, found.timing().sequences());
        assertEquals(12, found.timing().processedTokens());
    }
}
