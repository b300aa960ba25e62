package dev.tegu.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a batch shares is read once, and changes no score: a row alone shares nothing. */
class SharedBeginningTest {
    private static final String LOLCATS =
            "{feature_map: {kind: hedgehog, feature_dim: 4}, window: {size: 16},"
                    + " linear_scope: outside_window, combine: shared_denominator}";
    private static final String LIZARD =
            "{feature_map: {kind: hedgehog, feature_dim: 4}, gate: {kind: scalar}, window: {size:"
                    + " 16, shape: sliding}, linear_scope: all, combine: sum}";

    private static DecoderModel model(String kind) throws IOException {
        ObjectNode config = TinyModels.config(false).put("max_position_embeddings", 256);
        if (!kind.equals("teacher")) {
            String spec = kind.equals("lolcats") ? LOLCATS : LIZARD;
            config = StudentConfig.of(config, "test", TinyModels.spec(spec));
        }
        DecoderModel model = TinyModels.random(config, 4);
        TinyModels.disturb(model);
        return model;
    }

    private static List<int[]> rows(int shared, int... rests) {
        SplittableRandom random = new SplittableRandom(5);
        int[] beginning = random.ints(shared, 0, 40).toArray();
        List<int[]> rows = new ArrayList<>();
        for (int rest : rests) {
            rows.add(IntStream.concat(IntStream.of(beginning), random.ints(rest, 0, 40)).toArray());
        }
        return rows;
    }

    @ParameterizedTest
    @CsvSource({
        "teacher, 33",
        "teacher, 150",
        "lolcats, 33",
        "lolcats, 64",
        "lolcats, 150",
        "lizard, 33",
        "lizard, 128",
        "lizard, 150"
    })
    void scoresAreThoseOfARowAlone(String kind, int shared) throws IOException {
        try (DecoderModel model = model(kind)) {
            List<int[]> rows = rows(shared, 1, 7, 60, 3);
            List<int[]> candidates =
                    List.of(new int[] {1, 2}, new int[] {3}, new int[] {4, 5, 6}, new int[] {7});
            model.score(rows); // fills the table of positions
            int before = model.manager().getManagedArrays().size();

            List<TokenScores> whole = model.score(rows);
            List<NextScores> next = model.scoreNext(rows, candidates);

            assertEquals(before, model.manager().getManagedArrays().size());
            for (int i = 0; i < rows.size(); i++) {
                TokenScores alone = model.score(List.<int[]>of(rows.get(i))).get(0);
                assertArrayEquals(alone.logProbs(), whole.get(i).logProbs(), 1e-5f);
                assertArrayEquals(alone.greedy(), whole.get(i).greedy());
                NextScores one =
                        model.scoreNext(
                                        List.<int[]>of(rows.get(i)),
                                        List.<int[]>of(candidates.get(i)))
                                .get(0);
                assertArrayEquals(one.logProbs(), next.get(i).logProbs(), 1e-5f);
                assertArrayEquals(one.greedy(), next.get(i).greedy());
            }
        }
    }

    /** A row that is all beginning leaves its last token to be read with the others' rests. */
    @ParameterizedTest
    @CsvSource({"teacher, 40", "lolcats, 40", "teacher, 20"})
    void aRowMayBeNothingButTheBeginning(String kind, int shared) throws IOException {
        try (DecoderModel model = model(kind)) {
            List<int[]> rows = rows(shared, 0, 5, 0);

            List<TokenScores> together = model.score(rows);

            for (int i = 0; i < rows.size(); i++) {
                TokenScores alone = model.score(List.<int[]>of(rows.get(i))).get(0);
                assertArrayEquals(alone.logProbs(), together.get(i).logProbs(), 1e-5f);
            }
        }
    }
}
