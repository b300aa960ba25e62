package dev.tegu.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.config.InvalidValueException;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.TensorCodec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** A folder with PEFT's two files, open for reading and checked against the model it is for. */
final class PeftDirectory implements AutoCloseable {
    static final String WEIGHTS = "adapter_model.safetensors";

    private static final int NAMED_FAULTS = 8;

    private final SafetensorsFile file;
    private final LoraSettings settings;
    private final List<LoraTarget> targets;

    private PeftDirectory(SafetensorsFile file, LoraSettings settings, List<LoraTarget> targets) {
        this.file = file;
        this.settings = settings;
        this.targets = targets;
    }

    /** Whether a folder has one of the two files; {@link #open} asks for both. */
    static boolean isIn(Path dir) {
        return Files.exists(dir.resolve(PeftConfig.FILE_NAME))
                || Files.exists(dir.resolve(WEIGHTS));
    }

    /**
     * @throws CheckpointException if a file is missing or damaged, or the adapters are not the
     *     model's: every tensor that is missing, unexpected or of another shape, together
     */
    static PeftDirectory open(Path dir, ModelConfig model) throws IOException {
        Path config = dir.resolve(PeftConfig.FILE_NAME);
        if (!Files.exists(config)) {
            throw new CheckpointException(
                    dir + ": no " + PeftConfig.FILE_NAME + "; give a folder with PEFT's adapters");
        }
        LoraSettings settings = PeftConfig.read(StrictJson.read(config), config.toString());
        List<LoraTarget> targets = targets(model, settings, config);
        SafetensorsFile file = SafetensorsFile.open(dir.resolve(WEIGHTS));
        try {
            check(file, settings, targets);
            return new PeftDirectory(file, settings, targets);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private static List<LoraTarget> targets(ModelConfig model, LoraSettings settings, Path config) {
        try {
            return LoraTarget.of(model, settings);
        } catch (InvalidValueException e) {
            throw new CheckpointException(config + ": `" + e.key() + "`: " + e.getMessage(), e);
        }
    }

    /**
     * Writes the two files.
     *
     * @param tensors A and B by PEFT's names
     * @param baseModel folder or name of the model that the adapters belong to
     */
    static void write(
            StagedDirectory directory,
            Map<String, TensorSource> tensors,
            LoraSettings settings,
            String baseModel)
            throws IOException {
        directory.write(WEIGHTS, tensors);
        Files.write(
                directory.path(PeftConfig.FILE_NAME),
                StrictJson.toBytes(PeftConfig.write(settings, baseModel)));
    }

    private static void check(
            SafetensorsFile file, LoraSettings settings, List<LoraTarget> targets) {
        List<String> faults = new ArrayList<>();
        Set<String> unexpected = new TreeSet<>(file.tensors().keySet());
        for (LoraTarget target : targets) {
            check(file, target.nameOfA(), target.shapeOfA(settings), faults);
            check(file, target.nameOfB(), target.shapeOfB(settings), faults);
            unexpected.remove(target.nameOfA());
            unexpected.remove(target.nameOfB());
        }
        unexpected.forEach(name -> faults.add("`" + name + "`: unexpected"));
        if (!faults.isEmpty()) {
            int named = Math.min(NAMED_FAULTS, faults.size());
            int more = faults.size() - named;
            throw new CheckpointException(
                    file.path()
                            + ": the adapters do not fit the model and adapter_config.json: "
                            + String.join("; ", faults.subList(0, named))
                            + (more > 0 ? "; and " + more + " more" : ""));
        }
    }

    private static void check(
            SafetensorsFile file, String name, List<Long> shape, List<String> faults) {
        TensorInfo info = file.tensors().get(name);
        if (info == null) {
            faults.add("`" + name + "`: missing");
        } else if (!info.shape().equals(shape)) {
            faults.add("`" + name + "`: expected shape " + shape + ", found " + info.shape());
        } else if (!info.dtype().isFloat()) {
            faults.add("`" + name + "`: expected numbers of a float type, found " + info.dtype());
        }
    }

    LoraSettings settings() {
        return settings;
    }

    List<LoraTarget> targets() {
        return targets;
    }

    /** One adapter tensor as float32; may be trained. */
    NDArray read(NDManager manager, String name) throws IOException {
        TensorInfo info = file.info(name);
        return TensorCodec.decodeWritable(manager, file.map(name), info.dtype(), info.dimensions());
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
