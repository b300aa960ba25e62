package dev.tegu.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A directory that one process writes into and no other: a lock of the operating system on the
 * empty file {@code .lock} in it.
 *
 * <p>The system lets go of the lock when the process ends, however it ends, so none is ever stale.
 * The file stays: removing it would let two processes lock two files of one name.
 */
public final class DirectoryLock implements AutoCloseable {
    /** What is locked. */
    public static final String FILE_NAME = ".lock";

    private final Path directory;
    private final FileChannel channel;

    private DirectoryLock(Path directory, FileChannel channel) {
        this.directory = directory;
        this.channel = channel;
    }

    /**
     * @param dir is made when needed
     * @throws CheckpointException if another process, or this one, holds it already
     * @throws IOException if the file system has no locks
     */
    public static DirectoryLock take(Path dir) throws IOException {
        Durable.createFolders(dir);
        FileChannel channel =
                FileChannel.open(
                        dir.resolve(FILE_NAME),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE);
        try {
            if (isLocked(dir, channel)) {
                return new DirectoryLock(dir, channel);
            }
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
        channel.close();
        throw new CheckpointException(
                dir
                        + ": another process is writing into it; wait for its end, or name another"
                        + " `output`");
    }

    private static boolean isLocked(Path dir, FileChannel channel) throws IOException {
        try {
            FileLock lock = channel.tryLock();
            return lock != null;
        } catch (OverlappingFileLockException e) {
            return false;
        } catch (IOException e) {
            throw new IOException(
                    dir
                            + ": cannot be locked ("
                            + e.getMessage()
                            + "); name an `output` on a file system that has locks",
                    e);
        }
    }

    /** What is held. */
    public Path directory() {
        return directory;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
