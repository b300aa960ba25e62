package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.FaultyDisk;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.metrics.MetricsLog;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever the disk does, the last good checkpoint stays good, and the run can be gone on with. */
final class FailingDiskTrainingTest {
    /** Two steps and two checkpoints, of which the last one is kept. */
    private static final String SETTINGS =
            "{tokens: 48, batch_size: 1, log_every: 1, save_every: 1, save_total_limit: 1}";

    @TempDir Path dir;
    private PackedDataset data;
    private Map<String, String> expected;

    @BeforeEach
    void trainOnADiskThatWorks() throws IOException {
        data = Tiny.data(dir);
        train(dir.resolve("expected"));
        expected = files(dir.resolve("expected"));
        assertEquals(
                "[metrics.jsonl, states/step-2/manifest.json, states/step-2/state.safetensors]",
                expected.keySet().toString());
    }

    /** One number that is trained for two steps, in the given folder. */
    private void train(Path folder) throws IOException {
        StageCheckpoints checkpoints = new StageCheckpoints(folder.resolve("states"), Map.of());
        Files.createDirectories(folder);
        try (ScriptedObjective objective = ScriptedObjective.flat();
                MetricsLog metrics =
                        MetricsLog.resume(
                                folder.resolve("metrics.jsonl"),
                                objective.stage(),
                                checkpoints.lastStep())) {
            new TrainingLoop(data, Optional.empty(), Tiny.transfer(SETTINGS), 3, metrics)
                    .run(objective, objective.manager, checkpoints);
        }
    }

    /**
     * Trains on a bad disk, looks at what is left, and goes on with it on a good one.
     *
     * @return whether the run on the bad disk failed
     */
    private boolean trainAndResume(Path folder, FaultyDisk disk) throws IOException {
        boolean failed = false;
        try {
            train(disk.path(folder));
        } catch (IOException | UncheckedIOException | CheckpointException e) {
            failed = true;
        }
        if (Files.exists(folder.resolve("states"))) {
            try (Stream<Path> states = Files.list(folder.resolve("states"))) {
                for (Path state : states.filter(s -> !isLeftover(s)).toList()) {
                    Manifest.verify(state);
                }
            }
        }
        train(folder);
        assertEquals(expected, files(folder));
        return failed;
    }

    private static boolean isLeftover(Path path) {
        return path.getFileName().toString().startsWith(".");
    }

    @Test
    void everyOperationMayFail() throws IOException {
        int failures = 0;
        for (int n = 1; ; n++) {
            FaultyDisk disk = FaultyDisk.working().failingAt(n);
            boolean failed = trainAndResume(dir.resolve("n" + n), disk);
            failures += failed ? 1 : 0;
            if (disk.operations() < n) {
                assertTrue(!failed, "a disk that works is enough");
                break;
            }
        }
        assertTrue(failures > 80, "only " + failures);
    }

    @Test
    void theDiskMayBeFullAtAnyByte() throws IOException {
        int failures = 0;
        boolean failed = true;
        for (int bytes = 0; failed; bytes += 61) {
            failed =
                    trainAndResume(
                            dir.resolve("full" + bytes), FaultyDisk.working().fullAfter(bytes));
            failures += failed ? 1 : 0;
        }
        assertTrue(failures > 15, "only " + failures);
    }

    @Test
    void theDiskMayTakeFewBytesAtOnce() throws IOException {
        assertTrue(!trainAndResume(dir.resolve("few"), FaultyDisk.working().writingAtMost(5)));
    }

    @Test
    void aPowerCutTakesNoStepOfACheckpoint() throws IOException {
        Path folder = Files.createDirectory(dir.resolve("cut"));
        FaultyDisk disk = FaultyDisk.working();

        train(disk.path(folder));

        // Only that old checkpoints are gone may be forgotten.
        assertEquals(Set.of(folder.resolve("states")), disk.unsynced());
    }

    @Test
    void aStateThatTheDiskTearsIsNotTakenForACheckpoint() throws IOException {
        Path folder = dir.resolve("torn");

        CheckpointException e =
                assertThrows(
                        CheckpointException.class,
                        () ->
                                train(
                                        FaultyDisk.working()
                                                .tearing("state.safetensors")
                                                .path(folder)));

        assertTrue(e.getMessage().contains("the disk gives back other bytes"), e.getMessage());
        assertEquals(0, new StageCheckpoints(folder.resolve("states"), Map.of()).lastStep());
        train(folder);
        assertEquals(expected, files(folder));
    }

    /** Bytes of every file below a folder. */
    private static Map<String, String> files(Path folder) throws IOException {
        Map<String, String> all = new TreeMap<>();
        try (Stream<Path> walk = Files.walk(folder)) {
            for (Path file : walk.filter(Files::isRegularFile).toList()) {
                all.put(
                        folder.relativize(file).toString(),
                        HexFormat.of().formatHex(Files.readAllBytes(file)));
            }
        }
        return all;
    }
}
