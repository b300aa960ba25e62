package dev.tegu.distill.data;

import java.util.Arrays;
import java.util.BitSet;

/** A growing row of token ids, with a bit a token that says whether it is left out of the loss. */
final class TokenStream {
    /** Java arrays end a little under 2^31 - 1 elements. */
    private static final int MOST = Integer.MAX_VALUE - 8;

    private int[] ids = new int[1 << 12];
    private final BitSet ignored = new BitSet();
    private int size;

    void append(Document document) {
        int[] added = document.ids();
        grow((long) size + added.length);
        System.arraycopy(added, 0, ids, size, added.length);
        ignored.set(size, size + document.promptLength());
        size += added.length;
    }

    int size() {
        return size;
    }

    /** Whether a loss is taken of any token from one position to before another. */
    boolean isLearnt(int from, int to) {
        return ignored.nextClearBit(from) < to;
    }

    Sequence sequence(int from, int length) {
        int[] row = Arrays.copyOfRange(ids, from, from + length);
        int[] labels = row.clone();
        for (int i = ignored.nextSetBit(from);
                i >= 0 && i < from + length;
                i = ignored.nextSetBit(i + 1)) {
            labels[i - from] = Sequence.IGNORED;
        }
        return new Sequence(row, labels);
    }

    private void grow(long needed) {
        if (needed > MOST) {
            throw new DataException(
                    "the data holds more than "
                            + MOST
                            + " tokens, the most that fit in memory; name fewer files");
        }
        if (needed > ids.length) {
            ids = Arrays.copyOf(ids, (int) Math.min(MOST, Math.max(needed, 2L * ids.length)));
        }
    }
}
