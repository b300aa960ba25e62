package dev.tegu.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.function.Consumer;

/** Opening files that somebody else wrote, and reading what they are said to hold. */
public final class FileBytes {
    /** Large enough for the disk's full speed, small enough for the processor's cache. */
    private static final int PIECE_BYTES = 1 << 18;

    private FileBytes() {}

    /**
     * Opens a regular file. A pipe would wait for a writer that never comes, and a device has no
     * end: both are refused by what they are. Links are followed, since the cache of HuggingFace's
     * hub is made of them.
     *
     * @throws CheckpointException if there is no such file, or it is no regular one
     */
    public static FileChannel open(Path path) throws IOException {
        requireRegular(path);
        return FileChannel.open(path, StandardOpenOption.READ);
    }

    /**
     * @throws CheckpointException if there is no such file, or it is no regular one
     */
    static void requireRegular(Path path) throws IOException {
        if (!Durable.exists(path)) {
            String what =
                    Files.isSymbolicLink(path)
                            ? "is a link to a file that is not there; the download may be"
                                    + " incomplete: fetch it again"
                            : "no such file; check the path";
            throw new CheckpointException(path + ": " + what);
        }
        BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
        if (attributes.isDirectory()) {
            throw new CheckpointException(path + ": is a folder; give the path of a file");
        }
        if (!attributes.isRegularFile()) {
            throw new CheckpointException(
                    path + ": is a pipe, socket or device, not a file; copy its bytes into one");
        }
    }

    /**
     * Copies a stretch of a file, one small piece in memory at a time.
     *
     * @param where name of the file, for messages
     * @throws CheckpointException if the file ends before the stretch does
     */
    public static void copy(
            FileChannel file, String where, long from, long length, WritableByteChannel target)
            throws IOException {
        // On the heap, since direct buffers wait for a collection, and tensors may be many.
        ByteBuffer piece = ByteBuffer.allocate((int) Math.min(PIECE_BYTES, length));
        for (long at = 0; at < length; at += piece.limit()) {
            piece.clear().limit((int) Math.min(piece.capacity(), length - at));
            read(file, where, from + at, piece);
            drain(piece.flip(), target);
        }
    }

    /**
     * Reads a whole file.
     *
     * @param reader gets the bytes in order, in pieces that are its own until it returns
     */
    static void forEach(Path path, Consumer<ByteBuffer> reader) throws IOException {
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
            int capacity = (int) Math.max(1, Math.min(PIECE_BYTES, file.size()));
            ByteBuffer piece = ByteBuffer.allocateDirect(capacity);
            while (file.read(piece.clear()) >= 0) {
                reader.accept(piece.flip());
            }
        }
    }

    /**
     * Fills a buffer up to its limit.
     *
     * @throws CheckpointException if the file ends before
     */
    public static void read(FileChannel file, String where, long from, ByteBuffer target)
            throws IOException {
        int start = target.position();
        while (target.hasRemaining()) {
            long at = from + target.position() - start;
            if (file.read(target, at) < 0) {
                throw cutOff(where, "ends at byte " + at);
            }
        }
    }

    /** Writes all that remains in a buffer. */
    public static void drain(ByteBuffer bytes, WritableByteChannel target) throws IOException {
        while (bytes.hasRemaining()) {
            target.write(bytes);
        }
    }

    /**
     * Maps a stretch of a file, read-only.
     *
     * @throws CheckpointException if the file has become shorter than that
     */
    public static ByteBuffer map(FileChannel file, String where, long from, int length)
            throws IOException {
        if (file.size() < from + length) {
            throw cutOff(
                    where, "ends at byte " + file.size() + ", earlier than when it was opened");
        }
        return file.map(FileChannel.MapMode.READ_ONLY, from, length);
    }

    static CheckpointException cutOff(String where, String what) {
        return new CheckpointException(
                where + ": " + what + "; the file is cut off: fetch or write it again");
    }
}
