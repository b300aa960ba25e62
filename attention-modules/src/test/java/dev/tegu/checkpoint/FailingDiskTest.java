package dev.tegu.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a directory is after the disk under it has failed. */
final class FailingDiskTest {
    @TempDir Path dir;

    /** Writes a directory of three files, one of them through memory. */
    private static void write(Path target) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(400);
        for (int i = 0; i < 100; i++) {
            bytes.putInt(4 * i, i + 1);
        }
        try (StagedDirectory staged = StagedDirectory.create(target)) {
            staged.write(
                    "model.safetensors",
                    Map.of("w", TensorSource.of(DType.I32, List.of(100L), () -> bytes)));
            Files.writeString(staged.path("config.json"), "{}");
            Files.writeString(staged.path("sub/a.txt"), "a");
            staged.property("kind", "test").commit();
        }
    }

    @Test
    void whateverOperationFailsTheDirectoryIsWholeOrAbsent() throws IOException {
        write(dir.resolve("expected"));
        String expected = Files.readString(dir.resolve("expected/manifest.json"));
        int failures = 0;
        for (int n = 1; ; n++) {
            Path out = Files.createDirectory(dir.resolve("n" + n)).resolve("a/out");
            FaultyDisk disk = FaultyDisk.working().failingAt(n);
            boolean failed = false;
            try {
                write(disk.path(out));
            } catch (IOException | UncheckedIOException | CheckpointException e) {
                failed = true;
                failures++;
            }
            if (Files.exists(out)) {
                Manifest.verify(out);
                assertEquals(expected, Files.readString(out.resolve("manifest.json")));
            } else {
                assertTrue(failed, "operation " + n + " failed and nothing was said");
            }
            if (disk.operations() < n) {
                break;
            }
        }
        assertTrue(failures > 40, "only " + failures);
    }

    @Test
    void aFullDiskLeavesNothingAndSaysWhichFile() throws IOException {
        for (long bytes = 0; ; bytes += 37) {
            Path out = dir.resolve("full" + bytes);
            try {
                write(FaultyDisk.working().fullAfter(bytes).path(out));
                Manifest.verify(out);
                break;
            } catch (IOException e) {
                assertTrue(e.getMessage().endsWith("No space left on device"), e.getMessage());
                assertFalse(Files.exists(out));
            }
        }
        try (Stream<Path> left = Files.list(dir)) {
            assertEquals(1, left.count(), "what was begun is removed again");
        }
    }

    @Test
    void aFullDiskIsNamedWithTheFile() {
        Path out = dir.resolve("out");

        IOException e =
                assertThrows(
                        IOException.class,
                        () -> write(FaultyDisk.working().fullAfter(100).path(out)));

        assertTrue(
                e.getMessage()
                        .endsWith("model.safetensors: cannot be written: No space left on device"),
                e.getMessage());
    }

    @Test
    void aDiskThatTakesFewBytesAtOnceGetsThemAll() throws IOException {
        write(dir.resolve("expected"));

        write(FaultyDisk.working().writingAtMost(7).path(dir.resolve("out")));

        Manifest.verify(dir.resolve("out"));
        assertEquals(
                Files.readString(dir.resolve("expected/manifest.json")),
                Files.readString(dir.resolve("out/manifest.json")));
    }

    @Test
    void bytesThatADiskHasLostAreFoundBeforeTheDirectoryIsReal() {
        for (String torn : List.of("model.safetensors", Manifest.FILE_NAME)) {
            Path out = dir.resolve("torn-" + torn);

            assertThrows(
                    CheckpointException.class,
                    () -> write(FaultyDisk.working().tearing(torn).path(out)));

            assertFalse(Files.exists(out), torn);
        }
    }

    @Test
    void aPowerCutTakesNothingOfADirectoryThatIsReal() throws IOException {
        FaultyDisk disk = FaultyDisk.working();

        // The disk itself refuses to move what was not waited for.
        write(disk.path(dir.resolve("a/b/out")));

        assertEquals(Set.of(), disk.unsynced());
    }

    @Test
    void aFileIsReplacedInOneStepThatAPowerCutDoesNotUndo() throws IOException {
        FaultyDisk disk = FaultyDisk.working();
        Path file = dir.resolve("config.yaml");

        Durable.write(disk.path(file), new byte[] {1, 2});
        Durable.write(disk.path(file), new byte[] {3});

        assertEquals(1, Files.size(file));
        assertEquals(Set.of(), disk.unsynced());
    }

    @Test
    void onlyLeftoversOfTheGivenNamesAreRemoved() throws IOException {
        for (String name :
                List.of(".a.tmp-0123456789ab", ".b.tmp-0123456789ab", ".a.tmp-short", "a", ".a")) {
            Files.createDirectories(dir.resolve(name).resolve("sub"));
        }

        StagedDirectory.removeLeftovers(dir, "a"::equals);

        assertEquals(
                "[.a, .a.tmp-short, .b.tmp-0123456789ab, a]", WeightFiles.list(dir).toString());
    }
}
