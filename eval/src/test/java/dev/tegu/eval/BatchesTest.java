package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BatchesTest {
    /** Begins with a subject, as often as that takes, and ends differently. */
    private static int[] sequence(int subject, int shared, int length) {
        return IntStream.range(0, length).map(t -> t < shared ? subject : length + t).toArray();
    }

    @Test
    void theLongestComeFirst() {
        List<int[]> sequences = List.of(new int[2], new int[9], new int[1], new int[5], new int[9]);

        assertEquals(List.of(List.of(1, 4), List.of(3, 0), List.of(2)), Batches.of(sequences, 2));
    }

    @Test
    void sequencesThatBeginAlikeStayTogether() {
        List<int[]> sequences = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            sequences.add(sequence(i % 2, 40, 50 + i));
        }
        sequences.add(sequence(7, 40, 60));

        assertEquals(
                List.of(List.of(6), List.of(5, 3), List.of(4, 2), List.of(1), List.of(0)),
                Batches.of(sequences, 2));
        assertEquals(1, Batches.of(sequences, 50).size(), "too few to fill a batch");
    }
}
