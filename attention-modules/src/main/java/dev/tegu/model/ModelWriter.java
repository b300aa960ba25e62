package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.ShardedWeights;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.checkpoint.TensorSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * Writes a model directory of the HuggingFace layout, which appears whole or not at all.
 *
 * <p>Weights of another directory are copied bit for bit, or rewritten, without being loaded: one
 * block of one tensor is in memory at a time. Nothing is read or written before {@link #write}, and
 * directories and models given stay open until then.
 *
 * <p>A student's new parameters are float32 always.
 */
public final class ModelWriter {
    private static final String CONFIG = "config.json";
    private static final String AUTO_MAP = "auto_map";
    private static final String ARCHITECTURE = "architecture";
    private static final String GENERATION_CONFIG = "generation_config.json";

    private final ObjectNode config;
    private final ModelConfig model;
    private final ModelLayout layout;
    private final Optional<HuggingFaceDirectory> source;
    private final Map<String, TensorSource> tensors = new TreeMap<>();
    private final Map<String, WeightChange> changes = new HashMap<>();

    /** Of stored tensors that several arrays from memory lie in. */
    private final Map<String, Map<StoredPart, NDArray>> parts = new HashMap<>();

    private final Map<String, String> properties = new TreeMap<>();
    private final List<Path> files = new ArrayList<>();
    private final List<Extra> extras = new ArrayList<>();
    private Optional<DType> dtype = Optional.empty();
    private long maxShardBytes = ShardedWeights.DEFAULT_SHARD_BYTES;

    private ModelWriter(ObjectNode config, String name, Optional<HuggingFaceDirectory> source) {
        this.config = config;
        this.model = ModelConfig.parse(config, name);
        this.layout = new ModelLayout(model);
        this.source = source;
    }

    /** More files of a directory, written with it. */
    @FunctionalInterface
    public interface Extra {
        /** Writes files into the directory before it becomes real. */
        void writeTo(StagedDirectory directory) throws IOException;
    }

    /**
     * A student that starts where its teacher is: the teacher's weights, new parameters at their
     * start values, tokenizer and generation settings.
     *
     * @param seed decides random start values
     * @throws CheckpointException if the teacher is a student already, is no model that Tegu knows,
     *     or its weights do not fit its config.json
     * @throws dev.tegu.config.InvalidValueException if {@code keep_softmax} names a layer that does
     *     not exist
     */
    public static ModelWriter student(HuggingFaceDirectory teacher, AttentionSpec spec, long seed) {
        String name = nameOf(teacher);
        ObjectNode config = StudentConfig.of(teacher.config(), name, spec);
        ModelWriter writer = new ModelWriter(config, name, Optional.of(teacher));
        ModelLoader.check(teacher, writer.model);
        writer.takeFiles(teacher);
        writer.eachParameter(
                entry -> writer.tensors.put(entry.name(), WeightSources.startValues(entry, seed)));
        return writer;
    }

    /**
     * A model as it is, teacher or student, with the facts of its manifest; adapters beside it are
     * left behind.
     *
     * @throws CheckpointException if this is no model that Tegu knows, or its weights do not fit
     *     its config.json
     */
    public static ModelWriter copyOf(HuggingFaceDirectory source) throws IOException {
        ModelWriter writer = new ModelWriter(source.config(), nameOf(source), Optional.of(source));
        ModelLoader.check(source, writer.model);
        writer.takeFiles(source);
        boolean isOurs = source.config().has(ModelConfig.LINEAR_ATTENTION);
        if (isOurs) {
            // The Python files that they are for are an export's, and stay there.
            writer.config.remove(List.of(AUTO_MAP, ARCHITECTURE));
        }
        if (isOurs && Files.exists(source.path().resolve(Manifest.FILE_NAME))) {
            writer.properties.putAll(Manifest.read(source.path()).properties());
        }
        return writer;
    }

    /**
     * A model from memory.
     *
     * @param config config.json that describes it; not changed
     * @param dtype type of the weights: F32, BF16 or F16
     * @throws IllegalArgumentException if {@code config} describes another model, or the weights in
     *     memory are not float32
     */
    public static ModelWriter of(DecoderModel model, ObjectNode config, DType dtype) {
        ModelWriter writer = new ModelWriter(config.deepCopy(), CONFIG, Optional.empty());
        writer.requireSame(model);
        requireFloat32(model);
        writer.writeDType(dtype);
        List<NDArray> ends = model.ends();
        writer.put(writer.layout.embedding(), ends.get(0), dtype);
        writer.put(writer.layout.norm(), ends.get(1), dtype);
        if (!writer.model.tiesEmbeddings()) {
            writer.put(writer.layout.head(), ends.get(2), dtype);
        }
        writer.layout
                .moreEnds()
                .forEach(entry -> writer.put(entry, model.moreEnds().get(entry.role()), dtype));
        for (int i = 0; i < writer.model.numLayers(); i++) {
            Map<String, NDArray> weights = model.layers().get(i).weights();
            for (ModelLayout.Entry entry : writer.layout.layer(i)) {
                writer.put(entry, weights.get(entry.role()), dtype);
            }
        }
        return writer.parameters(model);
    }

    /**
     * Takes the new parameters from a trained model.
     *
     * @throws IllegalArgumentException if the model is another one than is written
     */
    public ModelWriter parameters(DecoderModel trained) {
        requireSame(trained);
        eachParameter(
                entry -> {
                    DecoderLayer layer = trained.layers().get(entry.layer());
                    put(entry, layer.parameters().get(entry.role()), DType.F32);
                });
        return this;
    }

    /**
     * Takes the weights from a trained model instead of the directory that is copied; each keeps
     * the type that it has there.
     *
     * @param trained its weights are float32
     * @throws IllegalArgumentException if the model is another one than is written
     */
    public ModelWriter weights(DecoderModel trained) {
        requireSame(trained);
        requireFloat32(trained);
        HuggingFaceDirectory from = source.orElseThrow();
        List<NDArray> ends = trained.ends();
        put(layout.embedding(), ends.get(0), from);
        put(layout.norm(), ends.get(1), from);
        // a tied head that stands in the file nevertheless must not stay behind
        if (from.has(layout.head().name())) {
            put(layout.head(), ends.get(2), from);
        }
        layout.moreEnds().forEach(entry -> put(entry, trained.moreEnds().get(entry.role()), from));
        for (int i = 0; i < model.numLayers(); i++) {
            Map<String, NDArray> weights = trained.layers().get(i).weights();
            layout.layer(i).forEach(entry -> put(entry, weights.get(entry.role()), from));
        }
        return this;
    }

    private void put(ModelLayout.Entry entry, NDArray tensor, HuggingFaceDirectory from) {
        put(entry, tensor, from.info(entry.name()).dtype());
    }

    /**
     * Takes one tensor from elsewhere.
     *
     * @throws IllegalArgumentException if the model has no tensor of this name and shape
     */
    public ModelWriter tensor(String name, TensorSource tensor) {
        boolean fits = tensor.shape().equals(layout.stored().get(name));
        if (!fits) {
            throw new IllegalArgumentException(
                    "the model has no tensor `" + name + "` of shape " + tensor.shape());
        }
        tensors.put(name, tensor);
        return this;
    }

    /**
     * Changes a weight that is copied from another directory; the result has the type that the
     * stored weight had, or that of {@link #cast}. Weights that lie in one stored tensor are
     * changed together and rounded once.
     *
     * @param weight of the decoder, [out, in]
     * @param change of its rows
     * @throws CheckpointException if the other directory has no such tensor
     */
    public ModelWriter change(ModelLayout.Entry weight, WeightChange change) {
        String name = weight.name();
        source.orElseThrow(() -> new IllegalStateException("nothing is copied")).info(name);
        if (weight.part().isEmpty()) {
            changes.put(name, change);
        } else {
            PartChanges all = (PartChanges) changes.computeIfAbsent(name, n -> new PartChanges());
            all.add(weight, change);
        }
        return this;
    }

    /**
     * Gives all weights that are copied from another directory one type, and says so in
     * config.json.
     *
     * @param type F32, BF16 or F16
     */
    public ModelWriter cast(DType type) {
        writeDType(type);
        this.dtype = Optional.of(type);
        return this;
    }

    /**
     * Takes the tokenizer's files from a folder.
     *
     * @throws CheckpointException if it has none
     */
    public ModelWriter tokenizer(Path dir) {
        List<Path> found = HuggingFaceDirectory.tokenizerFilesIn(dir);
        if (found.isEmpty()) {
            throw new CheckpointException(
                    dir + ": no tokenizer; give a folder with a tokenizer.json");
        }
        files.addAll(found);
        return this;
    }

    /** Adds a small fact for the manifest, such as the method's name. */
    public ModelWriter property(String name, String value) {
        properties.put(name, value);
        return this;
    }

    /** Adds more files. */
    public ModelWriter extra(Extra extra) {
        extras.add(extra);
        return this;
    }

    /**
     * Names the Python classes with which transformers loads the directory, and gives them the data
     * of the model's family; their files are the caller's to add.
     *
     * @param classes {@code FILE.CLASS} by the class of transformers that asks
     */
    public ModelWriter transformers(Map<String, String> classes) {
        config.set(ARCHITECTURE, Architecture.json(model.architecture().modelType()));
        ObjectNode map = config.putObject(AUTO_MAP);
        new TreeMap<>(classes).forEach(map::put);
        return this;
    }

    /** Sets how many bytes of tensors go into one file; 5 GB otherwise, as transformers does. */
    public ModelWriter maxShardBytes(long bytes) {
        this.maxShardBytes = bytes;
        return this;
    }

    /** What is written, as the decoder reads it. */
    public ModelConfig model() {
        return model;
    }

    /** A copy of the config.json that is written. */
    public ObjectNode config() {
        return config.deepCopy();
    }

    /**
     * Writes the directory. On any failure there is none.
     *
     * @param output does not exist, or is an empty folder
     * @throws CheckpointException if something is there already, or a weight does not fit its type
     */
    public void write(Path output) throws IOException {
        try (StagedDirectory directory = StagedDirectory.create(output)) {
            ShardedWeights.write(directory, weights(), maxShardBytes);
            Files.write(directory.path(CONFIG), StrictJson.toBytes(config));
            for (Path file : files) {
                directory.copy(file, file.getFileName().toString());
            }
            for (Extra extra : extras) {
                extra.writeTo(directory);
            }
            properties.forEach(directory::property);
            directory.property("kind", model.linearAttention().isPresent() ? "student" : "model");
            directory.property("tegu_version", TeguVersion.NUMBER);
            directory.commit();
        }
    }

    private Map<String, TensorSource> weights() {
        Map<String, TensorSource> all = new TreeMap<>();
        if (source.isPresent()) {
            Set<String> weights = castable();
            for (String name : source.get().names()) {
                all.put(name, copied(source.get(), name, weights.contains(name)));
            }
        }
        all.putAll(tensors);
        return all;
    }

    private TensorSource copied(HuggingFaceDirectory from, String name, boolean isWeight) {
        DType own = from.info(name).dtype();
        DType wanted = isWeight ? dtype.orElse(own) : own;
        if (changes.containsKey(name) || wanted != own) {
            WeightChange change = changes.getOrDefault(name, WeightChange.NONE);
            return WeightSources.rewritten(from, name, wanted, change);
        }
        return TensorSource.of(from.fileOf(name), name);
    }

    /** Everything but the new parameters and leftovers that the decoder does not read. */
    private Set<String> castable() {
        Set<String> names = new HashSet<>(List.of(layout.head().name()));
        layout.all().stream()
                .filter(entry -> entry.parameter().isEmpty())
                .forEach(entry -> names.add(entry.name()));
        return names;
    }

    private void put(ModelLayout.Entry entry, NDArray tensor, DType type) {
        String name = entry.name();
        if (entry.part().isEmpty()) {
            tensors.put(name, WeightSources.of(name, tensor, type));
            return;
        }
        Map<StoredPart, NDArray> all = parts.computeIfAbsent(name, n -> new HashMap<>());
        all.put(entry.part().get(), tensor);
        tensors.put(name, WeightSources.assembled(name, all, type));
    }

    private void eachParameter(Consumer<ModelLayout.Entry> action) {
        for (int i = 0; i < model.numLayers(); i++) {
            layout.parameters(i).forEach(action);
        }
    }

    private void takeFiles(HuggingFaceDirectory from) {
        files.addAll(from.tokenizerFiles());
        Path generation = from.path().resolve(GENERATION_CONFIG);
        if (Files.isRegularFile(generation)) {
            files.add(generation);
        }
    }

    private void requireSame(DecoderModel other) {
        if (!other.config().equals(model)) {
            throw new IllegalArgumentException(
                    "the model in memory is not the one that config.json describes");
        }
    }

    private static void requireFloat32(DecoderModel model) {
        if (model.dtype() != DType.F32) {
            throw new IllegalArgumentException(
                    "weights are written from float32, the model's are " + model.dtype());
        }
    }

    /**
     * Keeps the source's spelling; {@code torch_dtype} is the one that old and new programs read.
     */
    private void writeDType(DType type) {
        String name = MemoryType.nameOf(type);
        if (config.has("dtype")) {
            config.put("dtype", name);
        }
        if (config.has("torch_dtype") || !config.has("dtype")) {
            config.put("torch_dtype", name);
        }
    }

    private static String nameOf(HuggingFaceDirectory directory) {
        return directory.path().resolve(CONFIG).toString();
    }
}
