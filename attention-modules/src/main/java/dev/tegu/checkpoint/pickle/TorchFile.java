package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.config.Nearest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * A file of {@code torch.save} (PyTorch 1.6 and newer), open for reading: a dict of tensors, with
 * plain values beside them, or such a dict under {@code model_state_dict} or {@code state_dict}.
 *
 * <p>Layout: a zip archive of {@code NAME/data.pkl}, a pickle of the dict in which tensors refer to
 * storages; {@code NAME/data/KEY}, the bytes of each storage; {@code NAME/version}; and {@code
 * NAME/byteorder} from PyTorch 2.1 on. Opening interprets the pickle, without running anything, and
 * checks every tensor against its storage and the storage against the archive. Tensors are read
 * when asked for.
 *
 * <p>Opening takes time and memory in the order of the pickle, which is bounded.
 *
 * @see <a href="https://pytorch.org/docs/stable/notes/serialization.html">PyTorch's notes</a>
 */
public final class TorchFile implements AutoCloseable {
    /** Some 150 bytes a tensor. */
    private static final long MAX_PICKLE_BYTES = 16L << 20;

    /** The newest version that PyTorch has written. */
    private static final int NEWEST_VERSION = 10;

    private static final List<String> WRAPPERS = List.of("model_state_dict", "state_dict");
    private static final String PICKLE = "data.pkl";

    private final Path path;
    private final ZipArchive archive;
    private final SortedMap<String, TorchTensor> tensors = new TreeMap<>();
    private final SortedMap<String, Object> scalars = new TreeMap<>();
    private final SortedSet<String> others = new TreeSet<>();

    private TorchFile(Path path, ZipArchive archive) {
        this.path = path;
        this.archive = archive;
    }

    /**
     * @throws CheckpointException if the file is missing, is something else (older PyTorch files,
     *     safetensors, a web page and others are named), is damaged, or holds anything but a dict
     *     of tensors; a name that would run code is in the message
     * @throws IOException if the disk fails
     */
    public static TorchFile open(Path path) throws IOException {
        NotTorchFile.refuse(path);
        ZipArchive archive = ZipArchive.open(path);
        try {
            TorchFile file = new TorchFile(path, archive);
            file.read();
            return file;
        } catch (IOException | RuntimeException e) {
            archive.close();
            throw e;
        }
    }

    public Path path() {
        return path;
    }

    /** Every tensor by its name, sorted; names are within the inner dict if there is one. */
    public SortedMap<String, TorchTensor> tensors() {
        return Collections.unmodifiableSortedMap(tensors);
    }

    /**
     * @throws CheckpointException if there is no tensor of this name
     */
    public TorchTensor tensor(String name) {
        TorchTensor tensor = tensors.get(name);
        if (tensor == null) {
            throw broken("no tensor `" + name + "`" + Nearest.hint(name, tensors.keySet()));
        }
        return tensor;
    }

    /**
     * The numbers and texts of the outer dict, such as {@code step}: {@link Long}, {@link Double},
     * {@link Boolean}, {@link String} or {@link java.math.BigInteger}.
     */
    public SortedMap<String, Object> scalars() {
        return Collections.unmodifiableSortedMap(scalars);
    }

    /** Names of what the outer dict holds besides, such as an optimizer's state; not read. */
    public SortedSet<String> others() {
        return Collections.unmodifiableSortedSet(others);
    }

    private void read() throws IOException {
        String folder = folder();
        requireVersion(folder);
        long size = archive.size(folder + PICKLE);
        if (size > MAX_PICKLE_BYTES) {
            throw broken(PICKLE + " has " + size + " bytes, the limit is 16 MiB");
        }
        ByteBuffer pickle = archive.read(folder + PICKLE, 0, Math.toIntExact(size));
        Object root = Unpickler.read(pickle, where(), new TorchTensors(archive, where(), folder));
        if (!(root instanceof Map<?, ?> dict)) {
            throw broken(
                    "holds "
                            + (root instanceof TorchTensor ? "one tensor" : "no dict")
                            + ", expected a dict of tensors; save `model.state_dict()`");
        }
        take(dict);
    }

    /** The one folder at the top, named after the file or {@code archive}. */
    private String folder() {
        Set<String> folders = new TreeSet<>();
        for (String name : archive.names()) {
            if (name.indexOf('/') == name.length() - PICKLE.length() - 1
                    && name.endsWith("/" + PICKLE)) {
                folders.add(name.substring(0, name.length() - PICKLE.length()));
            }
        }
        if (folders.size() != 1) {
            throw broken(
                    "a zip archive with "
                            + (folders.isEmpty() ? "no" : "more than one")
                            + " `NAME/data.pkl`, so not one that torch.save wrote");
        }
        String folder = folders.iterator().next();
        if (archive.size(folder + "constants.pkl") >= 0) {
            throw broken("a TorchScript program; save the model's `state_dict()` with torch.save");
        }
        return folder;
    }

    private void requireVersion(String folder) throws IOException {
        String version = shortText(folder + "version");
        if (!version.matches("[1-9][0-9]{0,2}") || Integer.parseInt(version) > NEWEST_VERSION) {
            throw broken(
                    ("the archive's version is `" + version + "`, this program reads 1 to ")
                            + (NEWEST_VERSION + "; save it again with PyTorch 2"));
        }
        String order = shortText(folder + "byteorder");
        if (!order.isEmpty() && !order.equals("little")) {
            throw broken(
                    ("byte order `" + order + "`, only `little` is read; save it again on a")
                            + " little-endian machine");
        }
    }

    /** Text of a small entry; empty if there is none. */
    private String shortText(String entry) throws IOException {
        long size = archive.size(entry);
        if (size <= 0) {
            return "";
        }
        ByteBuffer bytes = archive.read(entry, 0, (int) Math.min(size, 16));
        return PickleReader.shown(StandardCharsets.ISO_8859_1.decode(bytes).toString().strip());
    }

    private void take(Map<?, ?> outer) {
        Map<?, ?> inner = outer;
        Object wrapper = "";
        for (String name : WRAPPERS) {
            if (inner == outer && outer.get(name) instanceof Map<?, ?> wrapped) {
                inner = wrapped;
                wrapper = name;
            }
        }
        for (Map.Entry<?, ?> entry : outer.entrySet()) {
            String name = PickleReader.shown(String.valueOf(entry.getKey()));
            Object value = entry.getValue();
            if (value instanceof TorchTensor tensor && inner == outer) {
                tensors.put(nameOf(entry.getKey()), tensor);
            } else if (value instanceof Number
                    || value instanceof String
                    || value instanceof Boolean) {
                scalars.put(name, value);
            } else if (!name.equals(wrapper)) {
                others.add(name);
            }
        }
        if (inner != outer) {
            takeTensors(inner, (String) wrapper);
        }
    }

    private void takeTensors(Map<?, ?> dict, String wrapper) {
        dict.forEach(
                (key, value) -> {
                    if (!(value instanceof TorchTensor tensor)) {
                        throw broken(
                                ("`" + PickleReader.shown("" + key) + "` in `" + wrapper + "`")
                                        + " is no tensor; save the state dict alone");
                    }
                    tensors.put(nameOf(key), tensor);
                });
    }

    private String nameOf(Object key) {
        if (key instanceof String name) {
            if (!PickleReader.shown(name).equals(name)) {
                throw broken(
                        ("a tensor's name is no name: `" + PickleReader.shown(name) + "`;")
                                + " check that this is the right file");
            }
            return name;
        }
        throw broken("the tensor under `" + key + "` has no name but a number");
    }

    private String where() {
        return path.getFileName().toString();
    }

    private CheckpointException broken(String what) {
        return new CheckpointException(where() + ": " + what);
    }

    @Override
    public void close() throws IOException {
        archive.close();
    }
}
