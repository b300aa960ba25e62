package dev.tegu.eval.probe;

import java.util.ArrayList;
import java.util.List;

/**
 * A stream of pseudo-random numbers that is the same on every JVM and in every release.
 *
 * <p>{@link java.util.Random}'s siblings may change their bounded draws between Java releases; a
 * benchmark whose documents change with the JVM is no benchmark. The generator is SplitMix64
 * (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014). Not safe for
 * use by several threads, nor for secrets.
 */
public final class StableRandom {
    private static final long GAMMA = 0x9E3779B97F4A7C15L;

    private final long seed;
    private long state;

    /**
     * @param seed any number; equal seeds give equal streams
     */
    public StableRandom(long seed) {
        this.seed = seed;
        this.state = seed;
    }

    /**
     * A new stream for item {@code index}, which depends on this stream's seed and on the index
     * alone, not on what was drawn before: item 7 is the same whether 10 or 1,000 items are made.
     */
    public StableRandom fork(long index) {
        return new StableRandom(mix(seed + GAMMA) ^ mix(index * GAMMA + 1));
    }

    /** Next 64 bits. */
    public long nextLong() {
        state += GAMMA;
        return mix(state);
    }

    /**
     * A number in {@code 0..bound-1}; the bias of the remainder is below {@code bound / 2^64}.
     *
     * @throws IllegalArgumentException if {@code bound} is below 1
     */
    public int nextInt(int bound) {
        if (bound < 1) {
            throw new IllegalArgumentException("bound: expected 1 or more, found " + bound);
        }
        return (int) Long.remainderUnsigned(nextLong(), bound);
    }

    /**
     * A number in {@code from..to}, both included.
     *
     * @throws IllegalArgumentException if {@code to} is below {@code from}
     */
    public int between(int from, int to) {
        return from + nextInt(to - from + 1);
    }

    /**
     * One of the items, each with the same chance.
     *
     * @throws IllegalArgumentException if there is none
     */
    public <T> T pick(List<T> items) {
        return items.get(nextInt(items.size()));
    }

    /** The items in a random order, as a new list. */
    public <T> List<T> shuffled(List<T> items) {
        List<T> result = new ArrayList<>(items);
        for (int i = result.size() - 1; i > 0; i--) {
            int other = nextInt(i + 1);
            T item = result.get(i);
            result.set(i, result.get(other));
            result.set(other, item);
        }
        return result;
    }

    private static long mix(long value) {
        long z = value;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
