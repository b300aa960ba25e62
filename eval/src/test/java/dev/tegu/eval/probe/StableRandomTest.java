package dev.tegu.eval.probe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class StableRandomTest {
    @Test
    void streamIsSplitMix64() {
        StableRandom random = new StableRandom(1_234_567);

        // The numbers that independent implementations of SplitMix64 give for this seed.
        assertEquals(6_457_827_717_110_365_317L, random.nextLong());
        assertEquals(3_203_168_211_198_807_973L, random.nextLong());
        assertEquals(Long.parseUnsignedLong("9817491932198370423"), random.nextLong());
    }

    @Test
    void forkDependsOnSeedAndIndexAlone() {
        StableRandom fresh = new StableRandom(5);
        StableRandom used = new StableRandom(5);
        used.nextLong();

        assertEquals(fresh.fork(3).nextLong(), used.fork(3).nextLong());
        assertNotEquals(fresh.fork(3).nextLong(), fresh.fork(4).nextLong());
        assertNotEquals(fresh.fork(3).nextLong(), new StableRandom(6).fork(3).nextLong());
        assertEquals(
                10_000,
                LongStream.range(0, 10_000).map(i -> fresh.fork(i).nextLong()).distinct().count());
    }

    @Test
    void boundedDrawsReachEveryValueAboutEquallyOften() {
        StableRandom random = new StableRandom(1);
        int[] counts = new int[7];

        for (int i = 0; i < 70_000; i++) {
            counts[random.between(3, 9) - 3]++;
        }

        for (int count : counts) {
            assertTrue(Math.abs(count - 10_000) < 500, "expected about 10000, found " + count);
        }
        assertThrows(IllegalArgumentException.class, () -> random.nextInt(0));
    }

    @Test
    void shufflingKeepsTheItemsAndMovesThem() {
        List<Integer> items = IntStream.range(0, 50).boxed().toList();

        List<Integer> shuffled = new StableRandom(2).shuffled(items);

        assertNotEquals(items, shuffled);
        assertEquals(items, shuffled.stream().sorted().toList());
    }
}
