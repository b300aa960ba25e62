package dev.tegu.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.config.Nearest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;

/**
 * A model directory of the HuggingFace layout, open for reading: {@code config.json}, {@code
 * model.safetensors} or its shards with their index, tokenizer files. Where there are no
 * safetensors files, {@code pytorch_model.bin} or its shards are read, as data: no pickle is
 * executed.
 *
 * <p>Opening reads the configuration and the headers and checks them against each other; tensors
 * are mapped when asked for.
 */
public final class HuggingFaceDirectory implements AutoCloseable {

    private static final List<String> TOKENIZER_FILES =
            List.of(
                    "tokenizer.json",
                    "tokenizer_config.json",
                    "special_tokens_map.json",
                    "tokenizer.model",
                    "vocab.json",
                    "merges.txt",
                    "added_tokens.json",
                    "chat_template.jinja");

    /** Twice the largest in use, which name twenty thousand classes. */
    private static final long MAX_CONFIG_BYTES = 2L << 20;

    private final Path path;
    private final ObjectNode config;
    private final List<WeightFile> files;
    private final SortedMap<String, WeightFile> owners;

    private HuggingFaceDirectory(
            Path path,
            ObjectNode config,
            List<WeightFile> files,
            SortedMap<String, WeightFile> owners) {
        this.path = path;
        this.config = config;
        this.files = files;
        this.owners = owners;
    }

    /**
     * @throws CheckpointException if the directory, {@code config.json} or weights are missing, or
     *     a file is damaged, or index and shards disagree
     * @throws IOException if the disk fails
     */
    public static HuggingFaceDirectory open(Path dir) throws IOException {
        ObjectNode config = readConfig(dir);
        List<WeightFile> files = new ArrayList<>();
        try {
            return new HuggingFaceDirectory(
                    dir,
                    config,
                    files,
                    UnprefixedNames.completed(config, WeightFiles.open(dir, files)));
        } catch (IOException | RuntimeException e) {
            closeAll(files);
            throw e;
        }
    }

    /**
     * Reads {@code config.json} alone, without looking at the weights.
     *
     * @throws CheckpointException if the directory or the file is missing, or it is not a JSON
     *     object
     */
    public static ObjectNode readConfig(Path dir) throws IOException {
        if (!Files.isDirectory(dir)) {
            String what = Files.exists(dir) ? "is a file, not a folder" : "no such folder";
            throw new CheckpointException(
                    dir + ": " + what + "; give a folder with config.json and the weights");
        }
        Path file = dir.resolve("config.json");
        if (!Files.exists(file)) {
            throw new CheckpointException(
                    dir
                            + ": no config.json; found "
                            + WeightFiles.describe(WeightFiles.list(dir))
                            + "; give the folder of a model in the HuggingFace layout");
        }
        return StrictJson.read(file, MAX_CONFIG_BYTES);
    }

    public Path path() {
        return path;
    }

    /** A copy of {@code config.json}. */
    public ObjectNode config() {
        return config.deepCopy();
    }

    /** Contents of {@code generation_config.json}, if there is one. */
    public Optional<ObjectNode> generationConfig() throws IOException {
        Path file = path.resolve("generation_config.json");
        return Files.exists(file)
                ? Optional.of(StrictJson.read(file, MAX_CONFIG_BYTES))
                : Optional.empty();
    }

    /** Names of all tensors, sorted. */
    public Set<String> names() {
        return Collections.unmodifiableSet(owners.keySet());
    }

    public boolean has(String name) {
        return owners.containsKey(name);
    }

    /**
     * What the header says of a tensor; its offset counts in its own shard.
     *
     * @throws CheckpointException if there is no such tensor
     */
    public TensorInfo info(String name) {
        return fileOf(name).info(name);
    }

    /** The open file that holds a tensor; closed with this directory. */
    public WeightFile fileOf(String name) {
        WeightFile file = owners.get(name);
        if (file == null) {
            throw new CheckpointException(
                    path + ": no tensor `" + name + "`" + Nearest.hint(name, owners.keySet()));
        }
        return file;
    }

    /**
     * Maps one tensor, as {@link WeightFile#map(String)}.
     *
     * @throws CheckpointException if there is no such tensor
     */
    public ByteBuffer map(String name) throws IOException {
        return fileOf(name).map(name);
    }

    /** Maps a piece of one tensor, as {@link WeightFile#map(String, long, int)}. */
    public ByteBuffer map(String name, long fromByte, int length) throws IOException {
        return fileOf(name).map(name, fromByte, length);
    }

    /** The files that the weights are in. */
    public List<Path> weightFiles() {
        return files.stream().map(WeightFile::path).toList();
    }

    /** The tokenizer's files that are present, in a fixed order. */
    public List<Path> tokenizerFiles() {
        return tokenizerFilesIn(path);
    }

    /** The tokenizer's files in any folder, with or without a model. */
    public static List<Path> tokenizerFilesIn(Path dir) {
        return TOKENIZER_FILES.stream().map(dir::resolve).filter(Files::isRegularFile).toList();
    }

    @Override
    public void close() throws IOException {
        closeAll(files);
    }

    private static void closeAll(List<WeightFile> files) throws IOException {
        for (WeightFile file : files) {
            file.close();
        }
    }
}
