package dev.tegu.distill.data;

import java.util.SplittableRandom;

/**
 * Which sequences make up the batch of a step: a fresh shuffle every epoch, batches running on over
 * the end of an epoch.
 *
 * <p>A batch depends on the seed and the step alone, so a run that is resumed reads what it would
 * have read. The shuffle uses nothing that another version of Java may change: raw 64-bit outputs
 * of {@link SplittableRandom} and Fisher-Yates written out here.
 *
 * <p>Memory: 4 bytes a sequence (the shuffle of the epoch used last is kept). Not for several
 * threads at once.
 */
public final class BatchOrder {
    /**
     * Odd number between the seeds of neighbouring epochs; not the golden-ratio step inside {@link
     * SplittableRandom}, with which one epoch would be the next one shifted.
     */
    private static final long EPOCH_STRIDE = 0xD1B54A32D192ED03L;

    private final int sequences;
    private final int batchSize;
    private final long seed;
    private long shuffledEpoch = -1;
    private int[] shuffled = {};

    /**
     * @param sequences size of the data set, at least 1
     * @param batchSize sequences a step, at least 1; may exceed the data set
     */
    public BatchOrder(int sequences, int batchSize, long seed) {
        if (sequences < 1 || batchSize < 1) {
            throw new IllegalArgumentException(
                    "expected at least one sequence and a batch of one or more, found "
                            + sequences
                            + " and "
                            + batchSize);
        }
        this.sequences = sequences;
        this.batchSize = batchSize;
        this.seed = seed;
    }

    /**
     * @param step 0-based
     * @return indices of the sequences, length {@code batchSize}
     */
    public int[] batch(long step) {
        long first = Math.multiplyExact(step, (long) batchSize);
        int[] batch = new int[batchSize];
        for (int i = 0; i < batchSize; i++) {
            long position = first + i;
            batch[i] = epoch(position / sequences)[(int) (position % sequences)];
        }
        return batch;
    }

    private int[] epoch(long epoch) {
        if (epoch != shuffledEpoch) {
            long epochSeed = new SplittableRandom(seed + EPOCH_STRIDE * epoch).nextLong();
            shuffled = shuffle(new SplittableRandom(epochSeed));
            shuffledEpoch = epoch;
        }
        return shuffled;
    }

    private int[] shuffle(SplittableRandom random) {
        int[] order = new int[sequences];
        for (int i = 0; i < sequences; i++) {
            order[i] = i;
        }
        for (int i = sequences - 1; i > 0; i--) {
            int j = (int) Long.remainderUnsigned(random.nextLong(), i + 1L);
            int moved = order[i];
            order[i] = order[j];
            order[j] = moved;
        }
        return order;
    }
}
