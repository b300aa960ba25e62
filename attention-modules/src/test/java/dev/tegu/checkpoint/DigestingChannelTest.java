package dev.tegu.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DigestingChannelTest {
    private static final int PIECE = 64;
    private static final int SYNC = 200;

    @TempDir Path dir;

    /** Writes through one buffer that is filled anew each time, as a source may. */
    private static Checksums write(Path file, byte[] bytes, int atOnce) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(atOnce);
        try (FileChannel channel =
                        FileChannel.open(
                                file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                DigestingChannel out = new DigestingChannel(file, channel, PIECE, SYNC)) {
            for (int at = 0; at < bytes.length; at += atOnce) {
                buffer.clear().put(bytes, at, Math.min(atOnce, bytes.length - at));
                assertEquals(buffer.position(), out.write(buffer.flip()));
            }
            return out.finish();
        }
    }

    private static byte[] random(int size) {
        byte[] bytes = new byte[size];
        new Random(size).nextBytes(bytes);
        return bytes;
    }

    @ParameterizedTest
    @CsvSource({
        "0, 1",
        "1, 1",
        "63, 7",
        "64, 64",
        "65, 65",
        "256, 100",
        "10_000, 13",
        "9_999, 999"
    })
    void bytesAndChecksumsAreThoseOfTheSource(String size, int atOnce) throws IOException {
        byte[] bytes = random(Integer.parseInt(size.replace("_", "")));
        Path file = dir.resolve("a");

        Checksums meant = write(file, bytes, atOnce);

        assertArrayEquals(bytes, Files.readAllBytes(file));
        assertEquals(Sha256.ofFile(file), meant.sha256());
        assertEquals(Checksums.crc32cOf(file), meant.crc32c());
    }

    @Test
    void checksumsAreTheStandardOnes() throws IOException {
        Path file = Files.writeString(dir.resolve("a"), "123456789");

        assertEquals(0xe3069283L, Checksums.crc32cOf(file));
        assertEquals(
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
                Sha256.ofFile(file));
    }

    @Test
    void whatTheDiskLosesIsSeenInTheChecksumsAndNotInTheMeantOnes() throws IOException {
        byte[] bytes = random(1000);
        FaultyDisk disk = FaultyDisk.working().tearing("a");

        Checksums meant = write(disk.path(dir.resolve("a")), bytes, 100);

        Path whole = Files.write(dir.resolve("whole"), bytes);
        assertEquals(Sha256.ofFile(whole), meant.sha256());
        assertEquals(Checksums.crc32cOf(whole), meant.crc32c());
        assertEquals(1000, Files.size(dir.resolve("a")));
        assertTrue(Checksums.crc32cOf(dir.resolve("a")) != meant.crc32c());
    }

    @Test
    void theDiskIsWaitedForInBetweenAndNoFaultIsPassedOver() throws IOException {
        byte[] bytes = random(1000);
        FaultyDisk working = FaultyDisk.working();
        write(working.path(dir.resolve("a")), bytes, 100);
        assertFalse(working.unsynced().contains(dir.resolve("a")));

        // Opening, sixteen writes, the last force, and at least one force between them.
        assertTrue(working.operations() > 18, "operations " + working.operations());
        for (int n = 1; n <= 18; n++) {
            FaultyDisk disk = FaultyDisk.working().failingAt(n);
            Path file = disk.path(dir.resolve("n" + n));
            assertThrows(IOException.class, () -> write(file, bytes, 100), "operation " + n);
        }
    }
}
