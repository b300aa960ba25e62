package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

final class BatchOrderTest {

    @Test
    void aBatchIsTheSameWhateverWasReadBefore() {
        BatchOrder straight = new BatchOrder(7, 3, 5);
        int[][] batches = LongStream.range(0, 20).mapToObj(straight::batch).toArray(int[][]::new);

        for (int step : new int[] {19, 0, 7, 18}) {
            assertArrayEquals(batches[step], new BatchOrder(7, 3, 5).batch(step));
            assertArrayEquals(batches[step], straight.batch(step));
        }
    }

    @Test
    void everyEpochReadsEverySequenceOnce() {
        BatchOrder order = new BatchOrder(10, 4, 1);

        int[] read =
                LongStream.range(0, 5)
                        .mapToObj(order::batch)
                        .flatMapToInt(Arrays::stream)
                        .toArray();

        for (int epoch = 0; epoch < 2; epoch++) {
            int[] sorted = Arrays.copyOfRange(read, 10 * epoch, 10 * (epoch + 1));
            Arrays.sort(sorted);
            assertArrayEquals(IntStream.range(0, 10).toArray(), sorted);
        }
    }

    @Test
    void epochsAndSeedsHaveOrdersOfTheirOwn() {
        int[] first = new BatchOrder(50, 50, 0).batch(0);
        int[] second = new BatchOrder(50, 50, 0).batch(1);
        int[] other = new BatchOrder(50, 50, 1).batch(0);

        assertFalse(Arrays.equals(first, second));
        assertFalse(Arrays.equals(first, other));
    }

    @Test
    void aBatchMayExceedTheData() {
        int[] batch = new BatchOrder(2, 5, 3).batch(0);

        assertEquals(5, batch.length);
        assertEquals(1, batch[0] + batch[1]);
        assertEquals(1, batch[2] + batch[3]);
    }

    /** Worked out apart from this code: another order would break every run to be resumed. */
    @Test
    void theOrderOfSeedZeroIsPinned() {
        BatchOrder order = new BatchOrder(8, 8, 0);

        assertArrayEquals(new int[] {1, 0, 6, 4, 3, 5, 2, 7}, order.batch(0));
        assertArrayEquals(new int[] {0, 3, 7, 6, 1, 2, 5, 4}, order.batch(1));
    }
}
