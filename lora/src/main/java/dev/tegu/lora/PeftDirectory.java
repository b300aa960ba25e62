package dev.tegu.lora;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
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
    private final PeftConfig config;
    private final List<PeftModule> modules;

    private PeftDirectory(SafetensorsFile file, PeftConfig config, List<PeftModule> modules) {
        this.file = file;
        this.config = config;
        this.modules = modules;
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
        Path source = dir.resolve(PeftConfig.FILE_NAME);
        if (!Files.exists(source)) {
            throw new CheckpointException(
                    dir + ": no " + PeftConfig.FILE_NAME + "; give a folder with PEFT's adapters");
        }
        PeftConfig config = PeftConfig.read(StrictJson.read(source), source.toString());
        List<PeftModule> modules = modules(model, config, source);
        SafetensorsFile file = SafetensorsFile.open(dir.resolve(WEIGHTS));
        try {
            check(file, config, modules);
            return new PeftDirectory(file, config, modules);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private static List<PeftModule> modules(ModelConfig model, PeftConfig config, Path source) {
        List<PeftModule> modules;
        try {
            modules = PeftModule.of(LoraTarget.of(model, config.settings()));
        } catch (InvalidValueException e) {
            throw new CheckpointException(source + ": `" + e.key() + "`: " + e.getMessage(), e);
        }
        for (PeftModule module : modules) {
            // a role's name, where PEFT sees what several roles are stored in
            if (config.settings().targetModules().stream()
                    .noneMatch(name -> PeftConfig.names(name, module.name()))) {
                throw new CheckpointException(
                        source
                                + ": `target_modules`: "
                                + module.targets().get(0).role()
                                + " is part of `"
                                + module.name()
                                + "`, and PEFT's adapters are on that; name `"
                                + module.shortName(model)
                                + "`");
            }
        }
        return modules;
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
            PeftConfig config,
            String baseModel)
            throws IOException {
        directory.write(WEIGHTS, tensors);
        Files.write(
                directory.path(PeftConfig.FILE_NAME), StrictJson.toBytes(config.write(baseModel)));
    }

    private static void check(SafetensorsFile file, PeftConfig config, List<PeftModule> modules) {
        List<String> faults = new ArrayList<>();
        Set<String> unexpected = new TreeSet<>(file.tensors().keySet());
        for (PeftModule module : modules) {
            check(file, module.nameOfA(), module.shapeOfA(config.rank(module)), faults);
            check(file, module.nameOfB(), module.shapeOfB(config.rank(module)), faults);
            unexpected.remove(module.nameOfA());
            unexpected.remove(module.nameOfB());
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

    PeftConfig config() {
        return config;
    }

    List<PeftModule> modules() {
        return modules;
    }

    /** A of a map, and of every role in it, [r, in] float32; may be trained. */
    NDArray readA(NDManager manager, PeftModule module) throws IOException {
        return read(manager, module.nameOfA());
    }

    /**
     * B of one role, [out, r] float32; may be trained. All adapters of a model have one scale: a
     * map's own is in B.
     */
    NDArray readB(NDManager manager, PeftModule module, LoraTarget target) throws IOException {
        NDArray whole = read(manager, module.nameOfB());
        double factor = config.scale(module) / config.settings().scale();
        if (factor != 1) {
            whole.muli((float) factor);
        }
        if (module.isOneRole()) {
            return whole;
        }
        try (whole) {
            Shape shape = new Shape(target.out(), config.rank(module));
            return TensorCodec.owned(
                    manager.create(PeftModule.rowsOf(target, whole.toFloatArray()), shape));
        }
    }

    private NDArray read(NDManager manager, String name) throws IOException {
        TensorInfo info = file.info(name);
        return TensorCodec.decodeWritable(manager, file.map(name), info.dtype(), info.dimensions());
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
