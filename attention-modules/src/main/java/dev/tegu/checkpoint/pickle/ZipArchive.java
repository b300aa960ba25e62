package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.FileBytes;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * A zip archive, open for reading pieces of its entries: stored ones are mapped (small pieces
 * read), deflated ones unpacked up to the end of the piece.
 */
final class ZipArchive implements AutoCloseable {
    private static final int LOCAL_SIGNATURE = 0x04034b50;
    private static final int LOCAL_BYTES = 30;
    private static final int INFLATE_BYTES = 1 << 16;

    /** A mapping costs more than reading a few pages, and Linux allows 65,530 of them. */
    private static final int MIN_MAPPED_BYTES = 1 << 16;

    private final String where;
    private final FileChannel channel;
    private final SortedMap<String, ZipDirectory.Entry> entries;

    private ZipArchive(
            String where, FileChannel channel, SortedMap<String, ZipDirectory.Entry> entries) {
        this.where = where;
        this.channel = channel;
        this.entries = entries;
    }

    /**
     * @throws CheckpointException if the archive's directory is damaged
     */
    static ZipArchive open(Path path) throws IOException {
        String where = path.getFileName().toString();
        FileChannel channel = FileBytes.open(path);
        try {
            return new ZipArchive(where, channel, ZipDirectory.read(channel, where));
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    Set<String> names() {
        return entries.keySet();
    }

    /** Bytes of an entry when unpacked; -1 if there is no such entry. */
    long size(String name) {
        ZipDirectory.Entry entry = entries.get(name);
        return entry == null ? -1 : entry.bytes();
    }

    /**
     * A piece of an entry that exists: position 0, limit {@code length}, little-endian, direct.
     *
     * @throws CheckpointException if the entry is damaged
     * @throws IndexOutOfBoundsException if the piece is not inside of the entry
     */
    ByteBuffer read(String name, long from, int length) throws IOException {
        ZipDirectory.Entry entry = Objects.requireNonNull(entries.get(name), name);
        Objects.checkFromIndexSize(from, (long) length, entry.bytes());
        if (length == 0) {
            return ByteBuffer.allocateDirect(0).order(ByteOrder.LITTLE_ENDIAN);
        }
        long start = dataStart(entry);
        if (!entry.isDeflated()) {
            return stored(start + from, length).order(ByteOrder.LITTLE_ENDIAN);
        }
        ByteBuffer bytes = ByteBuffer.allocateDirect(length);
        inflate(entry, start, from, length, new BufferChannel(bytes));
        return bytes.flip().order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The local header repeats the name, and may pad the data: only it says where they begin. */
    private long dataStart(ZipDirectory.Entry entry) throws IOException {
        ByteBuffer header = ByteBuffer.allocate(LOCAL_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        while (header.hasRemaining()) {
            if (channel.read(header, entry.header() + header.position()) < 0) {
                throw broken(entry, "its header is cut off");
            }
        }
        long start =
                entry.header()
                        + LOCAL_BYTES
                        + (header.getShort(26) & 0xffff)
                        + (header.getShort(28) & 0xffff);
        if (header.getInt(0) != LOCAL_SIGNATURE || start + entry.storedBytes() > entry.limit()) {
            throw broken(entry, "its header does not fit the archive's directory");
        }
        return start;
    }

    /**
     * Writes a piece of an entry that exists, one small piece of it in memory at a time.
     *
     * @throws CheckpointException if the entry is damaged
     */
    void writeTo(String name, long from, long length, WritableByteChannel target)
            throws IOException {
        ZipDirectory.Entry entry = Objects.requireNonNull(entries.get(name), name);
        Objects.checkFromIndexSize(from, length, entry.bytes());
        long start = dataStart(entry);
        if (entry.isDeflated()) {
            inflate(entry, start, from, length, target);
        } else {
            FileBytes.copy(channel, where, start + from, length, target);
        }
    }

    private ByteBuffer stored(long from, int length) throws IOException {
        if (length >= MIN_MAPPED_BYTES) {
            return FileBytes.map(channel, where, from, length);
        }
        ByteBuffer bytes = ByteBuffer.allocateDirect(length);
        FileBytes.read(channel, where, from, bytes);
        return bytes.flip();
    }

    /** Unpacks from the beginning, and lets go what stands before the piece. */
    private void inflate(
            ZipDirectory.Entry entry,
            long start,
            long from,
            long length,
            WritableByteChannel target)
            throws IOException {
        ByteBuffer out = ByteBuffer.allocate(INFLATE_BYTES);
        ByteBuffer in = ByteBuffer.allocate(INFLATE_BYTES);
        Inflater inflater = new Inflater(true);
        try {
            long read = 0;
            long toSkip = from;
            long left = length;
            while (left > 0) {
                if (inflater.needsInput() && read < entry.storedBytes()) {
                    in.clear().limit((int) Math.min(INFLATE_BYTES, entry.storedBytes() - read));
                    int count = channel.read(in, start + read);
                    if (count < 0) {
                        throw broken(entry, "ends early");
                    }
                    read += count;
                    inflater.setInput(in.flip());
                }
                out.clear().limit((int) Math.min(INFLATE_BYTES, toSkip > 0 ? toSkip : left));
                int got = inflater.inflate(out);
                if (toSkip > 0) {
                    toSkip -= got;
                } else {
                    left -= got;
                    FileBytes.drain(out.flip(), target);
                }
                boolean isOver = inflater.finished() || read >= entry.storedBytes();
                if (got == 0 && (isOver && inflater.needsInput() || inflater.finished())) {
                    throw broken(entry, "unpacks to fewer than " + entry.bytes() + " bytes");
                }
                if (inflater.needsDictionary()) {
                    throw broken(entry, "asks for a dictionary");
                }
            }
        } catch (DataFormatException e) {
            throw broken(entry, "cannot be unpacked: " + e.getMessage());
        } finally {
            inflater.end();
        }
    }

    /** Takes what is written into a buffer. */
    private record BufferChannel(ByteBuffer target) implements WritableByteChannel {
        @Override
        public int write(ByteBuffer source) {
            int count = source.remaining();
            target.put(source);
            return count;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {
            // There is nothing to close.
        }
    }

    private CheckpointException broken(ZipDirectory.Entry entry, String what) {
        return new CheckpointException(
                where
                        + (": `" + PickleReader.shown(entry.name()) + "`: " + what)
                        + "; the archive is damaged: fetch the file again");
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
