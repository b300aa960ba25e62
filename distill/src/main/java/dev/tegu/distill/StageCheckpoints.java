package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.TensorCodec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * The checkpoints of one training stage: {@code DIR/step-N/}, each whole or absent.
 *
 * <p>A checkpoint is {@code state.safetensors} (parameters and both moments) and a manifest that
 * also says which settings it belongs to. The last two are kept.
 */
public final class StageCheckpoints {
    private static final String STATE = "state.safetensors";
    private static final String STEP = "step-";
    private static final int KEPT = 2;

    private final Path dir;
    private final Map<String, String> identity;

    /**
     * @param dir folder of the stage's checkpoints, made when needed
     * @param identity what must be equal for a checkpoint to be continued: settings, model, data
     */
    public StageCheckpoints(Path dir, Map<String, String> identity) {
        this.dir = dir;
        this.identity = Map.copyOf(identity);
    }

    /**
     * Where a stage stands.
     *
     * @param step steps taken, 0 if there is no checkpoint
     * @param facts small facts by name, as they were saved
     */
    record Restored(long step, Map<String, String> facts) {}

    /** The last whole checkpoint's step, 0 if there is none. */
    public long lastStep() throws IOException {
        List<Path> all = all();
        return all.isEmpty() ? 0 : stepOf(all.get(all.size() - 1));
    }

    /**
     * Loads the last checkpoint into the given arrays.
     *
     * @param state parameters and moments by name
     * @param script the training methods
     * @return its step and facts; step 0 if there is none, the arrays untouched
     * @throws CheckpointException if it is damaged or belongs to other settings
     */
    Restored restore(Map<String, NDArray> state, TorchScript script) throws IOException {
        List<Path> all = all();
        if (all.isEmpty()) {
            return new Restored(0, Map.of());
        }
        Path last = all.get(all.size() - 1);
        Manifest.verify(last);
        Map<String, String> facts = Manifest.read(last).properties();
        refuseOther(last, facts);
        try (SafetensorsFile file = SafetensorsFile.open(last.resolve(STATE))) {
            if (!file.tensors().keySet().equals(state.keySet())) {
                throw new CheckpointException(
                        last + ": holds other parameters than this run trains");
            }
            for (Map.Entry<String, NDArray> entry : state.entrySet()) {
                TensorInfo info = file.info(entry.getKey());
                if (!Arrays.equals(info.dimensions(), entry.getValue().getShape().getShape())) {
                    throw new CheckpointException(
                            last
                                    + ": `"
                                    + entry.getKey()
                                    + "` has shape "
                                    + info.shape()
                                    + ", this run's is "
                                    + entry.getValue().getShape());
                }
                NDArray array = entry.getValue();
                // Copied into the memory that is there: `set` and `copyTo` would put a Java
                // buffer in its place, and kernels sum in another order on other alignments.
                try (NDManager scope = array.getManager().newSubManager()) {
                    NDArray stored =
                            TensorCodec.decode(
                                    scope, file.map(entry.getKey()), DType.F32, info.dimensions());
                    script.call("copy", new TorchScript.Arguments().add(stored).add(array));
                }
            }
        }
        return new Restored(stepOf(last), facts);
    }

    /** Writes a checkpoint, then removes all but the last two. */
    void save(Map<String, NDArray> state, Map<String, String> facts, long step) throws IOException {
        Files.createDirectories(dir);
        Path target = dir.resolve(STEP + step);
        Map<String, TensorSource> tensors = new LinkedHashMap<>();
        state.forEach(
                (name, array) -> {
                    List<Long> shape = Arrays.stream(array.getShape().getShape()).boxed().toList();
                    tensors.put(
                            name,
                            TensorSource.of(
                                    DType.F32, shape, () -> TensorCodec.encode(array, DType.F32)));
                });
        try (StagedDirectory staged = StagedDirectory.create(target)) {
            SafetensorsWriter.write(staged.path(STATE), tensors);
            identity.forEach(staged::property);
            facts.forEach(staged::property);
            staged.commit();
        }
        List<Path> all = all();
        for (Path old : all.subList(0, Math.max(0, all.size() - KEPT))) {
            remove(old);
        }
    }

    private void refuseOther(Path checkpoint, Map<String, String> found) {
        List<String> differences = new ArrayList<>();
        for (String key : new TreeSet<>(identity.keySet())) {
            String here = identity.get(key);
            String there = found.getOrDefault(key, "nothing");
            if (!here.equals(there)) {
                differences.add("`" + key + "` was " + there + ", is " + here);
            }
        }
        if (!differences.isEmpty()) {
            throw new CheckpointException(
                    checkpoint
                            + ": belongs to a run with other settings: "
                            + String.join("; ", differences)
                            + ". Use the old settings, or another `output`.");
        }
    }

    /** Whole checkpoints by rising step; what a killed run left half-written has other names. */
    private List<Path> all() throws IOException {
        if (!Files.isDirectory(dir)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(dir)) {
            return entries.filter(path -> path.getFileName().toString().matches("step-[0-9]{1,18}"))
                    .sorted(Comparator.comparingLong(StageCheckpoints::stepOf))
                    .toList();
        }
    }

    private static long stepOf(Path checkpoint) {
        return Long.parseLong(checkpoint.getFileName().toString().substring(STEP.length()));
    }

    /** Takes the manifest away first, so that what is left of a crash is not taken for whole. */
    private static void remove(Path checkpoint) throws IOException {
        Files.deleteIfExists(checkpoint.resolve(Manifest.FILE_NAME));
        try (Stream<Path> files = Files.list(checkpoint)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(checkpoint);
    }
}
