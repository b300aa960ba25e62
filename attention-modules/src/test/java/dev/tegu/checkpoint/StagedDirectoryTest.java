package dev.tegu.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StagedDirectoryTest {

    @TempDir Path parent;
    private Path target;

    @BeforeEach
    void target() {
        target = parent.resolve("out");
    }

    private List<String> inParent() throws IOException {
        return List.copyOf(WeightFiles.list(parent));
    }

    private void commitTwoFiles() throws IOException {
        try (StagedDirectory staged = StagedDirectory.create(target)) {
            Files.writeString(staged.path("config.json"), "{}");
            Files.writeString(staged.path("sub/b.txt"), "bb");
            staged.property("tegu", "0.1").property("kind", "student").commit();
        }
    }

    private String faults() {
        return assertThrows(CheckpointException.class, () -> Manifest.verify(target)).getMessage();
    }

    @Test
    void committedDirectoryIsWholeAndVerifies() throws IOException {
        commitTwoFiles();

        assertEquals(List.of("out"), inParent());
        Manifest.verify(target);
        assertEquals(
                """
                {
                  "format" : "tegu-manifest",
                  "version" : 1,
                  "properties" : {
                    "kind" : "student",
                    "tegu" : "0.1"
                  },
                  "files" : [ {
                    "name" : "config.json",
                    "size" : 2,
                    "sha256" : "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
                  }, {
                    "name" : "sub/b.txt",
                    "size" : 2,
                    "sha256" : "3b64db95cb55c763391c707108489ae18b4112d783300de38e033b4c98c3deaf"
                  } ]
                }
                """,
                Files.readString(target.resolve("manifest.json")));
    }

    @Test
    void nothingAppearsBeforeTheCommitAndNothingIsLeftWithoutIt() throws IOException {
        try (StagedDirectory staged = StagedDirectory.create(target)) {
            Files.writeString(staged.path("a/b/c.txt"), "x");
            assertFalse(Files.exists(target));
            assertEquals(1, inParent().size());
            assertTrue(inParent().get(0).startsWith(".out.tmp-"));
        }
        assertEquals(List.of(), inParent());
    }

    @Test
    void failingSourceLeavesTheTargetAbsent() throws IOException {
        TensorSource failing =
                TensorSource.of(
                        DType.U8,
                        List.of(1L),
                        () -> {
                            throw new UncheckedIOException(new IOException("gone"));
                        });
        assertThrows(
                UncheckedIOException.class,
                () -> {
                    try (StagedDirectory staged = StagedDirectory.create(target)) {
                        ShardedWeights.write(staged, Map.of("w", failing), 100);
                        staged.commit();
                    }
                });
        assertEquals(List.of(), inParent());
    }

    @Test
    void emptyTargetIsReplacedAndParentsAreMade() throws IOException {
        target = parent.resolve("x/y/out");
        Files.createDirectories(target);
        commitTwoFiles();
        Manifest.verify(target);

        target = parent.resolve("z/out");
        commitTwoFiles();
        Manifest.verify(target);
    }

    @Test
    void occupiedTargetIsRefusedBeforeAnyWork() throws IOException {
        Files.writeString(Files.createDirectory(target).resolve("keep.txt"), "x");
        CheckpointException e =
                assertThrows(CheckpointException.class, () -> StagedDirectory.create(target));
        assertEquals(
                target
                        + ": is not empty, holds keep.txt; choose another output, or remove the"
                        + " folder first",
                e.getMessage());
        assertEquals(List.of("out"), inParent());

        Path file = target.resolve("keep.txt");
        e = assertThrows(CheckpointException.class, () -> StagedDirectory.create(file));
        assertTrue(e.getMessage().contains("is a file"), e.getMessage());
    }

    @Test
    void targetThatAppearsMeanwhileIsKept() throws IOException {
        try (StagedDirectory staged = StagedDirectory.create(target)) {
            Files.writeString(staged.path("a"), "x");
            Files.writeString(Files.createDirectory(target).resolve("theirs"), "y");
            assertThrows(CheckpointException.class, staged::commit);
        }
        assertEquals(List.of("out"), inParent());
        assertEquals("y", Files.readString(target.resolve("theirs")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"../x", "/x", "a/../../x", ".", "", "manifest.json"})
    void namesThatLeaveTheDirectoryAreRefused(String name) throws IOException {
        try (StagedDirectory staged = StagedDirectory.create(target)) {
            assertThrows(IllegalArgumentException.class, () -> staged.path(name));
        }
    }

    @Test
    void copyOfAReadOnlyFileCanBeWritten() throws IOException {
        Path source = Files.writeString(parent.resolve("source"), "x");
        assumeTrue(source.toFile().setReadOnly(), "skipped: no read-only files here");
        var view = Files.getFileAttributeView(source, PosixFileAttributeView.class);
        assumeTrue(view != null, "skipped: no POSIX permissions here");
        try (StagedDirectory staged = StagedDirectory.create(target)) {
            staged.copy(source, "copy");
            staged.commit();
        }
        assertTrue(
                Files.getPosixFilePermissions(target.resolve("copy"))
                        .contains(PosixFilePermission.OWNER_WRITE));
    }

    @Test
    void everyFaultOfADirectoryIsNamed() throws IOException {
        Path source = Files.writeString(parent.resolve("source"), "copied");
        try (StagedDirectory staged = StagedDirectory.create(target)) {
            for (String name : List.of("changed", "gone", "longer", "whole")) {
                staged.copy(source, name);
            }
            staged.commit();
        }
        Files.writeString(target.resolve("changed"), "Copied");
        Files.delete(target.resolve("gone"));
        Files.writeString(target.resolve("longer"), "copied!");
        Files.writeString(target.resolve("harmless.txt"), "");
        Files.writeString(target.resolve("model.safetensors"), "");

        assertEquals(
                target
                        + ": changed has changed (its sha256 differs), gone is missing, longer has"
                        + " 7 bytes, expected 6, model.safetensors is not in the manifest; fetch"
                        + " the folder again, or run the command that makes it",
                faults());
    }

    @Test
    void directoryWithoutAKnownManifestIsNoResult() throws IOException {
        commitTwoFiles();
        Path manifest = target.resolve("manifest.json");
        String text = Files.readString(manifest);

        Files.writeString(manifest, text.replace("\"version\" : 1", "\"version\" : 2"));
        assertTrue(faults().contains("format version 2, this program reads 1"), faults());
        Files.writeString(manifest, text.replace("sub/b.txt", "../source"));
        assertTrue(faults().contains("`../source` is not a plain relative name"), faults());
        Files.writeString(manifest, text.replace("tegu-manifest", "other"));
        assertTrue(faults().contains("not a manifest of Tegu"), faults());
        Files.writeString(manifest, text.substring(0, 40));
        assertTrue(faults().contains("manifest.json: not valid JSON"), faults());
        Files.delete(manifest);
        assertTrue(faults().contains("no manifest.json"), faults());
    }

    @Test
    void weightsAreSplitAtTheShardSizeAndReadBackTheSame() throws IOException {
        Map<String, TensorSource> tensors = new TreeMap<>();
        for (int i = 0; i < 5; i++) {
            byte[] bytes = {(byte) i, 1, 2, 3};
            tensors.put(
                    "t" + i, TensorSource.of(DType.F32, List.of(1L), () -> ByteBuffer.wrap(bytes)));
        }
        tensors.put("t2", SafetensorsWriterTest.bytes(DType.U8, List.of(20L), new int[20]));
        try (StagedDirectory staged = StagedDirectory.create(target)) {
            Files.writeString(staged.path("config.json"), "{}");
            ShardedWeights.write(staged, tensors, 8);
            staged.commit();
        }

        assertEquals(
                List.of(
                        "config.json",
                        "manifest.json",
                        "model-00001-of-00003.safetensors",
                        "model-00002-of-00003.safetensors",
                        "model-00003-of-00003.safetensors",
                        "model.safetensors.index.json"),
                List.copyOf(WeightFiles.list(target)));
        String index = Files.readString(target.resolve("model.safetensors.index.json"));
        assertTrue(index.contains("\"total_size\" : 36"), index);
        try (HuggingFaceDirectory model = HuggingFaceDirectory.open(target)) {
            assertEquals(tensors.keySet(), model.names());
            assertEquals(4, model.map("t4").get());
            assertEquals(20, model.map("t2").remaining());
        }
    }

    @Test
    void weightsThatFitOneFileNeedNoIndex() throws IOException {
        try (StagedDirectory staged = StagedDirectory.create(target)) {
            TensorSource one = SafetensorsWriterTest.bytes(DType.U8, List.of(2L), 1, 2);
            ShardedWeights.write(staged, Map.of("a", one, "b", one), 4);
            staged.commit();
        }
        assertEquals(
                List.of("manifest.json", "model.safetensors"),
                List.copyOf(WeightFiles.list(target)));
    }
}
