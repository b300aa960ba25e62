package dev.tegu.eval.task;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PythonRandomTest {
    private static List<Integer> below(int bound) {
        return IntStream.range(0, bound).boxed().toList();
    }

    /** What Python 3 gives for {@code random.Random(1234)}, one call after the other. */
    @Test
    void drawsWhatPythonDraws() {
        PythonRandom random = new PythonRandom(1234);

        assertEquals(List.of(7, 1, 0), random.sample(below(10), 3));
        assertEquals(List.of(1, 0, 9), random.sample(below(10), 3));
        assertEquals(List.of(1, 5, 3), random.sample(below(10), 3));
        assertEquals(List.of(17, 31, 807, 16, 354), random.sample(below(1000), 5));
        assertEquals(List.of(82, 79, 61, 78, 59, 19, 11, 23), random.sample(below(100), 8));
        assertEquals(List.of(14996, 1916), random.sample(below(70_000), 2));
    }
}
