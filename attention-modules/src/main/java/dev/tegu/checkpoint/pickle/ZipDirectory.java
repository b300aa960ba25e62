package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Reads the central directory of a zip archive, the 64-bit form included, and checks every entry
 * against the file's size before anything is allocated for it.
 *
 * <p>Refused: encrypted entries, methods other than stored and deflated, names that occur twice,
 * entries that overlap, and sizes that no deflated data can have.
 *
 * @see <a href="https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT">the format, sections
 *     4.3.12 to 4.3.16 and 4.5.3</a>
 */
final class ZipDirectory {
    /** Some 100 bytes an entry, one entry a tensor. */
    private static final long MAX_DIRECTORY_BYTES = 8L << 20;

    /** Deflate cannot shrink further than 1032 to 1: two bits for 258 bytes. */
    private static final long MAX_RATIO = 1032;

    /** Empty blocks and the end of deflated data. */
    private static final long RATIO_SLACK = 1024;

    private static final int END_SIGNATURE = 0x06054b50;
    private static final int END64_SIGNATURE = 0x06064b50;
    private static final int LOCATOR64_SIGNATURE = 0x07064b50;
    private static final int ENTRY_SIGNATURE = 0x02014b50;
    private static final int END_BYTES = 22;
    private static final int END64_BYTES = 56;
    private static final int LOCATOR64_BYTES = 20;
    private static final int ENTRY_BYTES = 46;
    private static final int MAX_COMMENT_BYTES = 0xffff;
    private static final long MAX_32 = 0xffff_ffffL;

    private final FileChannel channel;
    private final String where;

    private ZipDirectory(FileChannel channel, String where) {
        this.channel = channel;
        this.where = where;
    }

    /**
     * One file of the archive.
     *
     * @param isDeflated whether its bytes are compressed
     * @param header where its local header begins
     * @param limit where the next entry begins, or the directory
     * @param storedBytes bytes in the archive
     * @param bytes bytes when unpacked
     */
    record Entry(
            String name,
            boolean isDeflated,
            long header,
            long limit,
            long storedBytes,
            long bytes) {}

    /**
     * @param where name of the file, for messages
     * @throws CheckpointException if the directory is missing, damaged or lies about the file
     */
    static SortedMap<String, Entry> read(FileChannel channel, String where) throws IOException {
        return new ZipDirectory(channel, where).read();
    }

    /** Place of the directory. */
    private record Extent(long start, long length) {}

    private SortedMap<String, Entry> read() throws IOException {
        Extent extent = extent();
        if (extent.length > MAX_DIRECTORY_BYTES) {
            throw broken("its directory has " + extent.length + " bytes, the limit is 8 MiB");
        }
        ByteBuffer in = bytes(extent.start, Math.toIntExact(extent.length));
        SortedMap<String, Entry> entries = new TreeMap<>();
        while (in.hasRemaining()) {
            Entry entry = entry(in, extent.start);
            if (entries.put(entry.name, entry) != null) {
                throw broken("holds `" + entry.name + "` twice");
            }
        }
        return withLimits(entries, extent.start);
    }

    private Extent extent() throws IOException {
        long size = channel.size();
        int tailBytes = Math.toIntExact(Math.min(size, END_BYTES + MAX_COMMENT_BYTES));
        long tailStart = size - tailBytes;
        ByteBuffer tail = bytes(tailStart, tailBytes);
        int at = tailBytes - END_BYTES;
        while (at >= 0 && !isEnd(tail, at)) {
            at--;
        }
        if (at < 0) {
            throw new CheckpointException(
                    where
                            + ": a zip archive without its directory, which stands at the end; the"
                            + " file is cut off: fetch it again");
        }
        long length = tail.getInt(at + 12) & MAX_32;
        long start = tail.getInt(at + 16) & MAX_32;
        long end = tailStart + at;
        boolean is64 =
                start == MAX_32 || length == MAX_32 || (tail.getShort(at + 10) & 0xffff) == 0xffff;
        if (is64) {
            if (end < LOCATOR64_BYTES) {
                throw broken("its directory is cut off");
            }
            ByteBuffer locator = bytes(end - LOCATOR64_BYTES, LOCATOR64_BYTES);
            long end64 = locator.getLong(8);
            if (locator.getInt(0) != LOCATOR64_SIGNATURE
                    || end64 < 0
                    || end64 > end - LOCATOR64_BYTES - END64_BYTES) {
                throw broken("the end of its 64-bit directory is not where it says");
            }
            ByteBuffer record = bytes(end64, END64_BYTES);
            if (record.getInt(0) != END64_SIGNATURE) {
                throw broken("the end of its 64-bit directory is not where it says");
            }
            length = record.getLong(40);
            start = record.getLong(48);
            end = end64;
        }
        if (start < 0 || length < 0 || start > end || length > end - start) {
            throw broken("its directory lies outside of the file");
        }
        return new Extent(start, length);
    }

    private static boolean isEnd(ByteBuffer tail, int at) {
        return tail.getInt(at) == END_SIGNATURE
                && (tail.getShort(at + 20) & 0xffff) == tail.limit() - at - END_BYTES;
    }

    private Entry entry(ByteBuffer in, long directory) {
        int at = in.position();
        if (in.remaining() < ENTRY_BYTES || in.getInt(at) != ENTRY_SIGNATURE) {
            throw broken("its directory is damaged at byte " + (directory + at));
        }
        int nameBytes = in.getShort(at + 28) & 0xffff;
        int extraBytes = in.getShort(at + 30) & 0xffff;
        int commentBytes = in.getShort(at + 32) & 0xffff;
        int length = ENTRY_BYTES + nameBytes + extraBytes + commentBytes;
        if (in.remaining() < length) {
            throw broken("its directory is damaged at byte " + (directory + at));
        }
        byte[] text = new byte[nameBytes];
        in.get(at + ENTRY_BYTES, text);
        String name = new String(text, StandardCharsets.UTF_8);
        ByteBuffer extra = in.slice(at + ENTRY_BYTES + nameBytes, extraBytes);
        long[] sizes = sizes(in, at, extra.order(ByteOrder.LITTLE_ENDIAN), name);
        in.position(at + length);
        int method = in.getShort(at + 10) & 0xffff;
        if ((in.getShort(at + 8) & 1) != 0) {
            throw broken("`" + name + "` is encrypted");
        }
        if (method != 0 && method != 8) {
            throw broken("`" + name + "` is packed by method " + method + ", not deflate");
        }
        long bytes = sizes[0];
        long stored = sizes[1];
        boolean isInside = bytes >= 0 && stored >= 0 && sizes[2] >= 0 && sizes[2] < directory;
        if (!isInside || stored > directory - sizes[2]) {
            throw broken("`" + name + "` lies outside of the file");
        }
        if (method == 0 && stored != bytes) {
            throw broken("`" + name + "` is not packed and has two sizes");
        }
        if (method == 8 && bytes / MAX_RATIO > stored + RATIO_SLACK) {
            throw broken(
                    ("`" + name + "` would unpack from " + stored + " bytes to " + bytes)
                            + ", more than deflate can");
        }
        return new Entry(name, method == 8, sizes[2], directory, stored, bytes);
    }

    /** Unpacked size, stored size and place; from the 64-bit field where 32 bits are all ones. */
    private long[] sizes(ByteBuffer in, int at, ByteBuffer extra, String name) {
        long[] sizes = {
            in.getInt(at + 24) & MAX_32, in.getInt(at + 20) & MAX_32, in.getInt(at + 42) & MAX_32
        };
        while (extra.remaining() >= 4) {
            int id = extra.getShort() & 0xffff;
            int length = extra.getShort() & 0xffff;
            if (length > extra.remaining()) {
                throw broken("`" + name + "` has a damaged extra field");
            }
            int next = extra.position() + length;
            if (id == 1) {
                for (int i = 0; i < sizes.length; i++) {
                    if (sizes[i] == MAX_32 && next - extra.position() >= Long.BYTES) {
                        sizes[i] = extra.getLong();
                    }
                }
            }
            extra.position(next);
        }
        return sizes;
    }

    private SortedMap<String, Entry> withLimits(SortedMap<String, Entry> entries, long directory) {
        List<Entry> byPlace = new ArrayList<>(entries.values());
        byPlace.sort(Comparator.comparingLong(Entry::header).reversed());
        long limit = directory;
        for (Entry e : byPlace) {
            if (e.storedBytes > limit - e.header) {
                throw broken("`" + e.name + "` overlaps the entry after it");
            }
            entries.put(
                    e.name,
                    new Entry(e.name, e.isDeflated, e.header, limit, e.storedBytes, e.bytes));
            limit = e.header;
        }
        return entries;
    }

    private ByteBuffer bytes(long from, int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes, from + bytes.position()) < 0) {
                throw broken("it ends at byte " + (from + bytes.position()));
            }
        }
        return bytes.flip();
    }

    private CheckpointException broken(String what) {
        return new CheckpointException(
                where
                        + ": a damaged zip archive: "
                        + PickleReader.shown(what)
                        + "; fetch the file again");
    }
}
