package dev.tegu.checkpoint;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;

/**
 * A disk that fails as it is told: at its n-th operation, once it is full, by taking fewer bytes
 * than it is given, or by losing bytes without a word. A disk that has failed goes on working, but
 * a full one stays full. It lies before the real file system and is reached by {@link #path}.
 *
 * <p>Operations that are counted: opening, reading, writing, forcing, truncating, listing, making,
 * moving, deleting, looking at attributes. Mapping and locks pass through.
 *
 * <p>It also remembers what a power cut would take: bytes and names that nobody has waited for.
 */
public final class FaultyDisk {
    private static final String FULL = "No space left on device";

    private final FaultyFileSystem files = new FaultyFileSystem(FileSystems.getDefault(), this);
    private final Set<Path> unsynced = new TreeSet<>();
    private long operations;
    private long failingOperation = Long.MAX_VALUE;
    private long freeBytes = Long.MAX_VALUE;
    private int longestWrite = Integer.MAX_VALUE;
    private String torn = "";

    private FaultyDisk() {}

    /** A disk that works. */
    public static FaultyDisk working() {
        return new FaultyDisk();
    }

    /**
     * @param n 1-based operation that throws
     */
    public FaultyDisk failingAt(long n) {
        failingOperation = n;
        return this;
    }

    /**
     * @param bytes that may be written before the disk is full
     */
    public FaultyDisk fullAfter(long bytes) {
        freeBytes = bytes;
        return this;
    }

    /**
     * @param bytes most that a call of write takes
     */
    public FaultyDisk writingAtMost(int bytes) {
        longestWrite = bytes;
        return this;
    }

    /**
     * Files of this name take every write and keep only the first half of it.
     *
     * @param fileName name without folders
     */
    public FaultyDisk tearing(String fileName) {
        torn = fileName;
        return this;
    }

    /** Operations so far. */
    public synchronized long operations() {
        return operations;
    }

    /** A real path as seen through this disk. */
    public Path path(Path path) {
        return files.wrap(path);
    }

    /**
     * Files with bytes, and folders with names, that a power cut would take: written, made or moved
     * since the last force. Real paths.
     */
    public Set<Path> unsynced() {
        return Set.copyOf(unsynced);
    }

    boolean isTorn(Path path) {
        return path.getFileName().toString().equals(torn);
    }

    synchronized void count(String what) throws IOException {
        if (++operations == failingOperation) {
            throw new IOException("injected failure of " + what);
        }
    }

    /**
     * Takes bytes.
     *
     * @return how many of them fit
     */
    int take(int bytes) throws IOException {
        int wanted = Math.min(bytes, longestWrite);
        int taken = (int) Math.min(wanted, freeBytes);
        if (taken == 0 && wanted > 0) {
            throw new IOException(FULL);
        }
        freeBytes -= taken;
        return taken;
    }

    /** Bytes of this file, or names in this folder, have changed. */
    synchronized void changed(Path path) {
        unsynced.add(path.toAbsolutePath());
    }

    synchronized void forced(Path path) {
        unsynced.remove(path.toAbsolutePath());
    }

    synchronized void removed(Path path) {
        unsynced.remove(path.toAbsolutePath());
    }

    /** Refuses what a power cut could leave under its new name without its bytes. */
    void moved(Path source, Path target) {
        Path from = source.toAbsolutePath();
        Set<Path> lost = new TreeSet<>(unsynced);
        lost.removeIf(path -> !path.startsWith(from));
        if (!lost.isEmpty()) {
            throw new IllegalStateException(
                    source + ": moved before the disk was waited for: " + lost);
        }
        changed(target.toAbsolutePath().getParent());
    }
}
