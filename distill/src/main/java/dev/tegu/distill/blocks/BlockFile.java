package dev.tegu.distill.blocks;

import ai.djl.ndarray.NDArray;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.Sha256;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.checkpoint.WeightFile;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigException;
import dev.tegu.config.ConfigNode;
import dev.tegu.model.TensorCodec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;

/**
 * The trained parameters of one block of layers, open for reading.
 *
 * <p>A safetensors file; tensors float32, by their names in the student's checkpoint, so that
 * nothing is renumbered when blocks are put together. Its {@code __metadata__}, all text:
 *
 * <pre>
 * format               pt
 * tegu_block_version   1
 * from_layer, to_layer first layer of the block, layer after its last
 * num_layers           layers of the whole model
 * base_model_sha256    see {@link #digest(HuggingFaceDirectory)}
 * method               the new attention, YAML
 * training             data, settings and seed, YAML; for people
 * tensors_sha256       of names, types, shapes and bytes of the tensors
 * </pre>
 */
final class BlockFile implements AutoCloseable {
    private static final int VERSION = 1;
    private static final String VERSION_KEY = "tegu_block_version";
    private static final String TENSORS_KEY = "tensors_sha256";

    /** Bytes that are mapped at once while a digest is taken. */
    private static final long PIECE = 1L << 28;

    private final SafetensorsFile file;
    private final Header header;

    private BlockFile(SafetensorsFile file, Header header) {
        this.file = file;
        this.header = header;
    }

    /**
     * What a block belongs to.
     *
     * @param fromLayer first layer
     * @param toLayer layer after the last
     * @param numLayers layers of the whole model
     * @param baseModel digest of the teacher
     * @param method the new attention
     * @param training data, settings and seed, as text
     */
    record Header(
            int fromLayer,
            int toLayer,
            int numLayers,
            String baseModel,
            AttentionSpec method,
            String training) {

        /** Name under which blocks of one model sort by their layers. */
        String fileName() {
            return String.format(
                    Locale.ROOT, "layers-%05d-%05d.safetensors", fromLayer, toLayer - 1);
        }

        private Map<String, String> toMetadata() {
            Map<String, String> metadata = new TreeMap<>();
            metadata.put("format", "pt");
            metadata.put(VERSION_KEY, String.valueOf(VERSION));
            metadata.put("from_layer", String.valueOf(fromLayer));
            metadata.put("to_layer", String.valueOf(toLayer));
            metadata.put("num_layers", String.valueOf(numLayers));
            metadata.put("base_model_sha256", baseModel);
            metadata.put("method", ConfigBinder.toNode(method).toYaml());
            metadata.put("training", training);
            return metadata;
        }
    }

    /**
     * Writes a block: aside, read back, then renamed. A file of that name is replaced, whole by
     * whole, so a task that is run twice does no harm.
     *
     * @param parameters float32, by checkpoint name; may be empty
     */
    static void write(Path target, Header header, Map<String, NDArray> parameters)
            throws IOException {
        SortedMap<String, TensorSource> tensors = new TreeMap<>();
        MessageDigest digest = Sha256.start();
        for (Map.Entry<String, NDArray> entry : new TreeMap<>(parameters).entrySet()) {
            NDArray array = entry.getValue();
            List<Long> shape = Arrays.stream(array.getShape().getShape()).boxed().toList();
            tensors.put(
                    entry.getKey(),
                    TensorSource.of(DType.F32, shape, () -> TensorCodec.encode(array, DType.F32)));
            addDescription(digest, entry.getKey(), DType.F32, shape);
            digest.update(TensorCodec.encode(array, DType.F32));
        }
        Map<String, String> metadata = header.toMetadata();
        metadata.put(TENSORS_KEY, Sha256.text(digest));
        Path aside =
                target.resolveSibling(
                        "." + target.getFileName() + "." + UUID.randomUUID() + ".partial");
        try {
            SafetensorsWriter.write(aside, tensors, metadata);
            open(aside).close();
            Files.move(aside, target, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(aside);
        }
    }

    /**
     * Opens a file and reads it whole, to see that its tensors are those that were written.
     *
     * @throws CheckpointException if it is missing, damaged, or no block that this version knows
     */
    static BlockFile open(Path path) throws IOException {
        SafetensorsFile file = SafetensorsFile.open(path);
        try {
            Header header = readHeader(path.getFileName() + ": ", file.metadata());
            MessageDigest digest = Sha256.start();
            for (String name : file.tensors().keySet()) {
                add(digest, file, name);
            }
            String found = Sha256.text(digest);
            if (!found.equals(file.metadata().get(TENSORS_KEY))) {
                throw new CheckpointException(
                        path.getFileName()
                                + ": its tensors have changed (their sha256 differs); train the"
                                + " block again");
            }
            return new BlockFile(file, header);
        } catch (IOException | RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private static Header readHeader(String where, Map<String, String> metadata) {
        if (!metadata.containsKey(VERSION_KEY)) {
            throw new CheckpointException(
                    where + "no file of a trained block: its metadata lack `" + VERSION_KEY + "`");
        }
        int version = number(where, metadata, VERSION_KEY);
        if (version != VERSION) {
            throw new CheckpointException(
                    where
                            + ("block version " + version + ", this program reads " + VERSION)
                            + "; a newer Tegu may have written it: use that one");
        }
        String method = text(where, metadata, "method");
        try {
            return new Header(
                    number(where, metadata, "from_layer"),
                    number(where, metadata, "to_layer"),
                    number(where, metadata, "num_layers"),
                    text(where, metadata, "base_model_sha256"),
                    ConfigBinder.bind(ConfigNode.parse(method, where), AttentionSpec.class),
                    text(where, metadata, "training"));
        } catch (ConfigException e) {
            throw new CheckpointException(
                    where + "metadata `method`: " + e.problems().get(0).message(), e);
        }
    }

    private static String text(String where, Map<String, String> metadata, String key) {
        String value = metadata.get(key);
        if (value == null) {
            throw new CheckpointException(where + "metadata lack `" + key + "`");
        }
        return value;
    }

    private static int number(String where, Map<String, String> metadata, String key) {
        String value = text(where, metadata, key);
        if (!value.matches("[0-9]{1,9}")) {
            throw new CheckpointException(
                    where + "metadata `" + key + "`: expected a number, found `" + value + "`");
        }
        return Integer.parseInt(value);
    }

    /**
     * What tells one base model from another: the SHA-256 of its config.json and of every tensor's
     * name, type, shape and bytes, in the order of the names, however the tensors are spread over
     * files. Reads all weights.
     *
     * @return 64 hex digits
     */
    static String digest(HuggingFaceDirectory model) throws IOException {
        MessageDigest digest = Sha256.start();
        digest.update(StrictJson.toBytes(model.config()));
        for (String name : model.names()) {
            add(digest, model.fileOf(name), name);
        }
        return Sha256.text(digest);
    }

    private static void add(MessageDigest digest, WeightFile file, String name) throws IOException {
        TensorInfo info = file.info(name);
        addDescription(digest, name, info.dtype(), info.shape());
        for (long at = 0; at < info.byteLength(); at += PIECE) {
            int length = (int) Math.min(PIECE, info.byteLength() - at);
            ByteBuffer bytes = file.map(name, at, length);
            digest.update(bytes);
        }
    }

    private static void addDescription(
            MessageDigest digest, String name, DType dtype, List<Long> shape) {
        String line = name + " " + dtype + " " + shape + "\n";
        digest.update(line.getBytes(StandardCharsets.UTF_8));
    }

    Header header() {
        return header;
    }

    /** What the file holds, by checkpoint name. */
    SortedMap<String, TensorInfo> tensors() {
        return file.tensors();
    }

    /** One tensor, to be written elsewhere while this file is open. */
    TensorSource source(String name) {
        return TensorSource.of(file, name);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
