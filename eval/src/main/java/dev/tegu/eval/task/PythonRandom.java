package dev.tegu.eval.task;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Python's {@code random.Random}, as far as lm-evaluation-harness draws shots with it: Mersenne
 * Twister 19937, seeded from an array of one number, and {@code sample}.
 *
 * @see <a href="https://doi.org/10.1145/272991.272995">Matsumoto and Nishimura, 1998</a>
 */
final class PythonRandom {
    private static final int N = 624;
    private static final int M = 397;

    private final int[] state = new int[N];
    private int next = N;

    /**
     * @param seed 0 to 2^31 - 1
     */
    PythonRandom(int seed) {
        state[0] = 19_650_218;
        for (int i = 1; i < N; i++) {
            state[i] = 1_812_433_253 * mixed(i - 1) + i;
        }
        int i = 1;
        for (int k = 0; k < N; k++) {
            state[i] = (state[i] ^ (mixed(i - 1) * 1_664_525)) + seed;
            i = following(i);
        }
        for (int k = 0; k < N - 1; k++) {
            state[i] = (state[i] ^ (mixed(i - 1) * 1_566_083_941)) - i;
            i = following(i);
        }
        state[0] = 1 << 31;
    }

    private int mixed(int i) {
        return state[i] ^ (state[i] >>> 30);
    }

    private int following(int i) {
        if (i < N - 1) {
            return i + 1;
        }
        state[0] = state[N - 1];
        return 1;
    }

    /**
     * Draws without replacement.
     *
     * @param count 0 to the size of {@code population}
     */
    <T> List<T> sample(List<T> population, int count) {
        int size = population.size();
        List<T> drawn = new ArrayList<>();
        // Python keeps a list where that is smaller than a set; the two draw differently.
        long setSize = 21;
        if (count > 5) {
            setSize += (long) Math.pow(4, Math.ceil(Math.log(count * 3.0) / Math.log(4)));
        }
        if (size <= setSize) {
            List<T> pool = new ArrayList<>(population);
            for (int i = 0; i < count; i++) {
                int j = below(size - i);
                drawn.add(pool.get(j));
                pool.set(j, pool.get(size - i - 1));
            }
            return drawn;
        }
        Set<Integer> taken = new HashSet<>();
        while (drawn.size() < count) {
            int j = below(size);
            if (taken.add(j)) {
                drawn.add(population.get(j));
            }
        }
        return drawn;
    }

    private int below(int bound) {
        int bits = Integer.SIZE - Integer.numberOfLeadingZeros(bound);
        int drawn = bound;
        while (drawn >= bound) {
            drawn = (int) (Integer.toUnsignedLong(number()) >>> (Integer.SIZE - bits));
        }
        return drawn;
    }

    /** Thirty-two random bits. */
    private int number() {
        if (next == N) {
            for (int i = 0; i < N; i++) {
                int y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7fffffff);
                state[i] = state[(i + M) % N] ^ (y >>> 1) ^ ((y & 1) == 0 ? 0 : 0x9908b0df);
            }
            next = 0;
        }
        int y = state[next++];
        y ^= y >>> 11;
        y ^= (y << 7) & 0x9d2c5680;
        y ^= (y << 15) & 0xefc60000;
        return y ^ (y >>> 18);
    }
}
