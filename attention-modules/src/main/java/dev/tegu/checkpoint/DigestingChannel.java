package dev.tegu.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.zip.CRC32C;

/**
 * A file being written whose checksums are taken from memory, before the disk has the bytes.
 *
 * <p>A digest takes longer than a copy, and a disk longer than either. So one thread gives the
 * bytes to the system, a second one follows with the digests, a few pieces behind, and a third one
 * has the system write to the disk what it was given, instead of all of it at the end. Memory: four
 * pieces. A file of less than a piece needs no thread.
 */
final class DigestingChannel implements WritableByteChannel {
    /** Small enough for the processor's cache, large enough that handing it on costs nothing. */
    static final int PIECE_BYTES = 1 << 18;

    /** Bytes after which the disk is begun to be waited for. */
    static final long SYNC_BYTES = 64L << 20;

    private static final int PIECES = 4;

    private final Path file;
    private final FileChannel channel;
    private final int pieceBytes;
    private final long syncBytes;

    private final MessageDigest sha256 = Sha256.start();
    private final CRC32C crc32c = new CRC32C();

    /** Pieces in turn; one that is neither filled nor digested has a permit. */
    private final ByteBuffer[] pieces = new ByteBuffer[PIECES];

    private final Semaphore free = new Semaphore(PIECES - 1);
    private int current;
    private long unsynced;

    private ExecutorService threads;
    private CompletableFuture<Void> digested = CompletableFuture.completedFuture(null);
    private CompletableFuture<Void> synced = CompletableFuture.completedFuture(null);

    /**
     * @param file for messages
     * @param channel open for writing; belongs to the caller
     * @param size bytes that will come, if they are few
     */
    DigestingChannel(Path file, FileChannel channel, long size) {
        this(file, channel, (int) Math.max(1, Math.min(size, PIECE_BYTES)), SYNC_BYTES);
    }

    DigestingChannel(Path file, FileChannel channel, int pieceBytes, long syncBytes) {
        this.file = file;
        this.channel = channel;
        this.pieceBytes = pieceBytes;
        this.syncBytes = syncBytes;
    }

    /** Takes all of it; the source may be used again on return. */
    @Override
    public int write(ByteBuffer source) throws IOException {
        int count = source.remaining();
        while (source.hasRemaining()) {
            ByteBuffer piece = piece();
            int some = Math.min(source.remaining(), piece.remaining());
            piece.put(source.slice(source.position(), some));
            source.position(source.position() + some);
            if (!piece.hasRemaining()) {
                handOn();
            }
        }
        return count;
    }

    private ByteBuffer piece() {
        if (pieces[current] == null) {
            pieces[current] = ByteBuffer.allocateDirect(pieceBytes);
        }
        return pieces[current];
    }

    /** Gives a full piece to the digests and to the system, and begins the next. */
    private void handOn() throws IOException {
        ByteBuffer piece = piece().flip();
        ByteBuffer same = piece.duplicate();
        if (threads == null) {
            threads = Executors.newFixedThreadPool(2);
        }
        // in their order, however many threads there are
        digested =
                digested.thenRunAsync(
                        () -> {
                            digest(same);
                            free.release();
                        },
                        threads);
        unsynced += piece.remaining();
        writeAll(piece);
        if (unsynced >= syncBytes && synced.isDone()) {
            await(synced);
            unsynced = 0;
            synced = CompletableFuture.runAsync(this::sync, threads);
        }
        free.acquireUninterruptibly();
        current = (current + 1) % PIECES;
        piece().clear();
    }

    private void digest(ByteBuffer bytes) {
        sha256.update(bytes.duplicate());
        crc32c.update(bytes);
    }

    private void sync() {
        try {
            channel.force(false);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void writeAll(ByteBuffer bytes) throws IOException {
        try {
            FileBytes.drain(bytes, channel);
        } catch (IOException e) {
            throw named(e);
        }
    }

    private IOException named(IOException e) {
        return new IOException(file + ": cannot be written: " + e.getMessage(), e);
    }

    /** A disk's fault is told once to whoever waits for it, so none may be passed over. */
    private void await(CompletableFuture<Void> work) throws IOException {
        try {
            work.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof UncheckedIOException unchecked) {
                throw named(unchecked.getCause());
            }
            throw e;
        }
    }

    /**
     * Waits until the disk has all of it; nothing may be written afterwards.
     *
     * @return checksums of the bytes that were meant
     */
    Checksums finish() throws IOException {
        ByteBuffer rest = piece().flip();
        await(digested);
        digest(rest.duplicate());
        writeAll(rest);
        await(synced);
        channel.force(true);
        return new Checksums(Sha256.text(sha256), crc32c.getValue());
    }

    @Override
    public boolean isOpen() {
        return channel.isOpen();
    }

    /** Ends the threads; the file belongs to the caller. */
    @Override
    public void close() {
        if (threads != null) {
            threads.shutdown();
        }
    }
}
