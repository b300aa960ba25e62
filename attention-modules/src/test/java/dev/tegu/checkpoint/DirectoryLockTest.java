package dev.tegu.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class DirectoryLockTest {
    @TempDir Path dir;

    /** Holds a directory until it is killed. */
    public static final class Holder {
        private Holder() {}

        public static void main(String[] arguments) throws Exception {
            try (DirectoryLock lock = DirectoryLock.take(Path.of(arguments[0]))) {
                Files.createFile(lock.directory().resolve("held"));
                Thread.sleep(60_000);
            }
        }
    }

    @Test
    void aDirectoryHasOneHolderAtATime() throws IOException {
        Path made = dir.resolve("a/b");
        try (DirectoryLock first = DirectoryLock.take(made)) {
            CheckpointException e =
                    assertThrows(CheckpointException.class, () -> DirectoryLock.take(made));
            assertTrue(e.getMessage().startsWith(first.directory() + ": another process"));
        }
        DirectoryLock.take(made).close();
    }

    @Test
    void aKilledProcessHoldsNothing() throws Exception {
        Process holder =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xshare:auto",
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Holder.class.getName(),
                                dir.toString())
                        .inheritIO()
                        .start();
        try {
            while (!Files.exists(dir.resolve("held"))) {
                assertTrue(holder.isAlive());
                Thread.onSpinWait();
            }
            assertThrows(CheckpointException.class, () -> DirectoryLock.take(dir));
        } finally {
            holder.destroyForcibly();
        }
        assertTrue(holder.waitFor(30, TimeUnit.SECONDS));
        assertEquals(128 + 9, holder.exitValue());
        DirectoryLock.take(dir).close();
    }
}
