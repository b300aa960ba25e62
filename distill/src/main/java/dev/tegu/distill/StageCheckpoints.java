package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.Durable;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.config.Differences;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.TensorCodec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The checkpoints of one training stage: {@code DIR/step-N/}, each whole or absent.
 *
 * <p>A checkpoint is {@code state.safetensors} (parameters, both moments, best parameters where
 * they are kept) and a manifest with the small facts ({@code step}, {@code updates}, loss scale,
 * what the measurements came to) and with what the checkpoint belongs to (settings, seed, digests
 * of base model and data). Nothing else decides the future: the place in the data and all random
 * numbers follow from seed and step.
 *
 * <p>The last ones are kept, and the one that measured best on the validation data. A damaged
 * newest one is refused, not passed over: its message names the file and the step that is left.
 *
 * <p>One process at a time: whoever uses this holds a {@link dev.tegu.checkpoint.DirectoryLock}.
 */
public final class StageCheckpoints {
    private static final String STATE = "state.safetensors";
    private static final Pattern STEP_NAME = Pattern.compile("step-[0-9]{1,18}");
    private static final String STEP_FACT = "step";
    private static final String STEP = "step-";

    /** Fact of a checkpoint at whose step the validation data were measured. */
    static final String VALIDATION_LOSS = "validation_loss";

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

    /** The last checkpoint's step, 0 if there is none. */
    public long lastStep() throws IOException {
        List<Path> all = all();
        return all.isEmpty() ? 0 : stepOf(all.get(all.size() - 1));
    }

    /**
     * Loads the last checkpoint into the given arrays, and removes what a killed process left.
     *
     * @param state parameters and moments by name
     * @param script the training methods
     * @param limit how many are kept, see {@link #save}
     * @return its step and facts; step 0 if there is none, the arrays untouched
     * @throws CheckpointException if it is damaged or belongs to other settings
     */
    Restored restore(Map<String, NDArray> state, TorchScript script, int limit) throws IOException {
        StagedDirectory.removeLeftovers(dir, name -> STEP_NAME.matcher(name).matches());
        List<Path> all = all();
        if (all.isEmpty()) {
            return new Restored(0, Map.of());
        }
        Path last = all.get(all.size() - 1);
        requireWhole(all);
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
        prune(limit);
        return new Restored(stepOf(last), facts);
    }

    /**
     * Writes a checkpoint, then removes old ones.
     *
     * @param limit how many are kept, at least 1: the last ones, and beside them that with the
     *     smallest validation loss
     */
    void save(Map<String, NDArray> state, Map<String, String> facts, long step, int limit)
            throws IOException {
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
            staged.write(STATE, tensors);
            identity.forEach(staged::property);
            facts.forEach(staged::property);
            staged.property(STEP_FACT, String.valueOf(step));
            staged.commit();
        }
        prune(limit);
    }

    private void prune(int limit) throws IOException {
        List<Path> all = all();
        if (all.size() <= limit) {
            return;
        }
        Optional<Path> best = best(all);
        for (Path old : all.subList(0, all.size() - limit)) {
            if (!best.equals(Optional.of(old))) {
                StagedDirectory.remove(old);
            }
        }
    }

    /** The first of those with the smallest validation loss, if any was measured. */
    private static Optional<Path> best(List<Path> all) throws IOException {
        Optional<Path> best = Optional.empty();
        double smallest = Double.POSITIVE_INFINITY;
        for (Path checkpoint : all) {
            String loss = Manifest.read(checkpoint).properties().get(VALIDATION_LOSS);
            if (loss != null && Double.parseDouble(loss) < smallest) {
                smallest = Double.parseDouble(loss);
                best = Optional.of(checkpoint);
            }
        }
        return best;
    }

    /** Refuses a damaged last one, and says what there is instead. */
    private void requireWhole(List<Path> all) throws IOException {
        Path last = all.get(all.size() - 1);
        List<String> faults = faults(last);
        if (faults.isEmpty()) {
            return;
        }
        String instead = "the stage begins anew";
        for (Path earlier : all.subList(0, all.size() - 1)) {
            if (faults(earlier).isEmpty()) {
                instead = "the run goes on from " + earlier.getFileName() + ", which is whole";
            }
        }
        throw new CheckpointException(
                last
                        + ": "
                        + String.join(", ", faults)
                        + "; the disk may be failing. Remove that folder, and with --resume "
                        + instead);
    }

    private static List<String> faults(Path checkpoint) throws IOException {
        try {
            List<String> faults = Manifest.faults(checkpoint);
            String step = Manifest.read(checkpoint).properties().get(STEP_FACT);
            boolean isRenamed = !String.valueOf(stepOf(checkpoint)).equals(step);
            return faults.isEmpty() && isRenamed
                    ? List.of(Manifest.FILE_NAME + " is of step " + step)
                    : faults;
        } catch (CheckpointException e) {
            return List.of(Manifest.FILE_NAME + " is missing or unreadable");
        }
    }

    private void refuseOther(Path checkpoint, Map<String, String> found) {
        Map<String, String> there = new TreeMap<>(found);
        there.keySet().retainAll(identity.keySet());
        List<String> differences = Differences.of(there, identity);
        if (!differences.isEmpty()) {
            throw new CheckpointException(
                    checkpoint
                            + ": belongs to a run with other settings: "
                            + String.join("; ", differences)
                            + ". Use what it was begun with, or another `output`.");
        }
    }

    /** Checkpoints by rising step; what a killed run left half-written has other names. */
    private List<Path> all() throws IOException {
        if (!Durable.exists(dir)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(dir)) {
            return entries.filter(path -> STEP_NAME.matcher(fileName(path)).matches())
                    .sorted(Comparator.comparingLong(StageCheckpoints::stepOf))
                    .toList();
        }
    }

    private static long stepOf(Path checkpoint) {
        return Long.parseLong(fileName(checkpoint).substring(STEP.length()));
    }

    private static String fileName(Path path) {
        return path.getFileName().toString();
    }
}
