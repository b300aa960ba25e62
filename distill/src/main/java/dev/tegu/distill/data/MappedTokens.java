package dev.tegu.distill.data;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.util.ArrayList;
import java.util.List;

/**
 * A long row of int32, little endian, mapped into memory in parts, since one mapping of Java's ends
 * at 2^31 bytes. No heap is used; the mappings end when nothing refers to this any more. May be
 * read from several threads.
 */
final class MappedTokens {
    /** Tokens of a part: 1 GiB. */
    static final int PART = 1 << 28;

    private final List<IntBuffer> parts = new ArrayList<>();
    private final int part;
    private final long size;

    /**
     * @param channel may be closed afterwards
     * @param from first byte of the row
     * @param size tokens of the row
     * @param part tokens of one mapping, at most {@link #PART}
     */
    MappedTokens(FileChannel channel, long from, long size, int part) throws IOException {
        this.size = size;
        this.part = part;
        for (long first = 0; first < size; first += part) {
            long length = Math.min(part, size - first);
            parts.add(
                    channel.map(
                                    MapMode.READ_ONLY,
                                    from + first * Integer.BYTES,
                                    length * Integer.BYTES)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .asIntBuffer());
        }
    }

    long size() {
        return size;
    }

    /** Reads as many tokens as the array holds. */
    void read(long from, int[] into) {
        if (from < 0 || from + into.length > size) {
            throw new IndexOutOfBoundsException(
                    into.length + " tokens from " + from + " of " + size);
        }
        for (int done = 0; done < into.length; ) {
            int at = (int) ((from + done) % part);
            int count = Math.min(into.length - done, part - at);
            parts.get((int) ((from + done) / part)).get(at, into, done, count);
            done += count;
        }
    }
}
