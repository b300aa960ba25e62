package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.Engines;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which checkpoints are kept, and which are gone on with. */
final class StageCheckpointsTest {
    private static final Map<String, String> IDENTITY = Map.of("base", "abc", "data", "def");

    @TempDir Path dir;

    private final NDManager manager = Engines.newManager(Device.cpu());
    private final TorchScript script = Scripts.training();
    private NDArray parameter;

    @BeforeEach
    void begin() {
        parameter = manager.create(new float[] {0, 0});
    }

    @AfterEach
    void close() {
        script.close();
        manager.close();
    }

    private StageCheckpoints checkpoints() {
        return new StageCheckpoints(dir, IDENTITY);
    }

    /** Saves one checkpoint after the other, step 1 the first; a negative loss is not measured. */
    private void save(int limit, double... losses) throws IOException {
        for (int step = 1; step <= losses.length; step++) {
            double loss = losses[step - 1];
            Map<String, String> facts =
                    loss < 0 ? Map.of() : Map.of("validation_loss", String.valueOf(loss));
            try (NDArray value = manager.create(new float[] {step, step})) {
                copy(value);
            }
            checkpoints().save(Map.of("p", parameter), facts, step, limit);
        }
    }

    private void copy(NDArray value) {
        script.call("copy", new TorchScript.Arguments().add(value).add(parameter));
    }

    private long restore() throws IOException {
        return checkpoints().restore(Map.of("p", parameter), script, 2).step();
    }

    private String refusal() {
        return assertThrows(CheckpointException.class, this::restore).getMessage();
    }

    private List<String> kept() throws IOException {
        try (Stream<Path> files = Files.list(dir)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void theLastOnesAreKeptAndTheOneThatMeasuredBest() throws IOException {
        save(2, 5, 1, 3, Double.NaN, 2, -1, 6);

        assertEquals(List.of("step-2", "step-6", "step-7"), kept());
    }

    @Test
    void withoutMeasurementsOnlyTheLastOnesAreKept() throws IOException {
        save(3, -1, -1, -1, -1, -1);

        assertEquals(List.of("step-3", "step-4", "step-5"), kept());
    }

    @Test
    void oneMayBeEnough() throws IOException {
        save(1, -1, -1);

        assertEquals(List.of("step-2"), kept());
        assertEquals(2, restore());
        assertArrayEquals(new float[] {2, 2}, parameter.toFloatArray());
    }

    @Test
    void whatAKilledProcessLeftIsRemovedWhenTheRunGoesOn() throws IOException {
        save(9, -1, -1, -1, -1);
        Files.createDirectories(dir.resolve(".step-5.tmp-0123456789ab/x"));
        Files.createDirectories(dir.resolve(".other.tmp-0123456789ab"));

        assertEquals(4, restore());

        assertEquals(List.of(".other.tmp-0123456789ab", "step-3", "step-4"), kept());
    }

    @Test
    void aDamagedNewestOneIsNamedWithTheStepThatIsLeft() throws IOException {
        save(2, -1, -1, -1);
        Path state = dir.resolve("step-3/state.safetensors");
        byte[] bytes = Files.readAllBytes(state);
        bytes[bytes.length - 1] ^= 1;
        Files.write(state, bytes);

        String flipped = refusal();
        Files.write(state, new byte[8]);
        String truncated = refusal();
        Files.delete(state);
        String missing = refusal();
        Files.delete(dir.resolve("step-3/manifest.json"));
        String torn = refusal();

        assertEquals(
                dir.resolve("step-3")
                        + ": state.safetensors has changed (its sha256 differs); the disk may be"
                        + " failing. Remove that folder, and with --resume the run goes on from"
                        + " step-2, which is whole",
                flipped);
        assertTrue(truncated.contains("state.safetensors has 8 bytes, expected"), truncated);
        assertTrue(missing.contains("state.safetensors is missing"), missing);
        assertTrue(torn.contains("manifest.json is missing or unreadable"), torn);

        Files.delete(dir.resolve("step-3"));
        assertEquals(2, restore());
        assertArrayEquals(new float[] {2, 2}, parameter.toFloatArray());
    }

    @Test
    void whereNothingWholeIsLeftTheStageBeginsAnew() throws IOException {
        save(2, -1, -1);
        for (int step = 1; step <= 2; step++) {
            Files.write(dir.resolve("step-" + step + "/state.safetensors"), new byte[8]);
        }

        assertTrue(refusal().endsWith("with --resume the stage begins anew"), refusal());
    }

    @Test
    void aCheckpointUnderAnotherStepsNameIsRefused() throws IOException {
        save(1, -1);
        Files.move(dir.resolve("step-1"), dir.resolve("step-7"));

        assertTrue(refusal().contains("manifest.json is of step 1"), refusal());
    }

    @Test
    void everyDifferenceOfTheIdentityIsShown() throws IOException {
        save(1, -1);
        StageCheckpoints other = new StageCheckpoints(dir, Map.of("base", "xyz", "device", "cpu"));

        String message =
                assertThrows(
                                CheckpointException.class,
                                () -> other.restore(Map.of("p", parameter), script, 2))
                        .getMessage();

        assertTrue(message.contains("base: was abc, is xyz"), message);
        assertTrue(message.contains("device: was nothing, is cpu"), message);
    }

    @Test
    void aCheckpointSaysStepUpdatesSeedAndWhatItMeasured() throws IOException {
        try (ScriptedObjective objective = ScriptedObjective.flat()) {
            new TrainingLoop(
                            Tiny.data(dir),
                            Optional.of(Tiny.data(dir)),
                            Tiny.transfer("{tokens: 96, batch_size: 1, validate_every: 2}"),
                            7,
                            new TrainingListener() {})
                    .run(objective, objective.manager, checkpoints());
        }

        Map<String, String> facts = Manifest.read(dir.resolve("step-4")).properties();
        assertEquals(
                "{base=abc, data=def, seed=7, step=4, updates=4, validation_loss=3.0}",
                facts.toString());
    }
}
