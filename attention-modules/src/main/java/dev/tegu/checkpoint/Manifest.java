package dev.tegu.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The file {@code manifest.json} that makes a directory real: it is written last, and a directory
 * without it is no result.
 *
 * <p>JSON: {@code format}: {@code tegu-manifest}; {@code version}: 1; {@code properties}: text by
 * name, sorted; {@code files}: {@code name} (relative, {@code /} between folders), {@code size} in
 * bytes and {@code sha256} in hex of every file but the manifest, sorted by name.
 *
 * @param properties small facts such as the program's version
 * @param files every other file of the directory, sorted by name
 */
public record Manifest(Map<String, String> properties, List<FileEntry> files) {

    public static final String FILE_NAME = "manifest.json";

    private static final String FORMAT = "tegu-manifest";
    private static final int VERSION = 1;

    /** What one file is when it is whole. */
    public record FileEntry(String name, long size, String sha256) {}

    public Manifest {
        properties = Collections.unmodifiableMap(new TreeMap<>(properties));
        files = List.copyOf(files);
    }

    /**
     * Measures every file of a directory; a manifest in it is left out.
     *
     * @param checksums of files that are known already, by name
     */
    static Manifest of(Path dir, Map<String, String> properties, Map<String, Checksums> checksums)
            throws IOException {
        List<FileEntry> entries = new ArrayList<>();
        for (String name : Durable.fileNames(dir)) {
            if (!name.equals(FILE_NAME)) {
                Path file = dir.resolve(name);
                Checksums known = checksums.get(name);
                entries.add(
                        new FileEntry(
                                name,
                                Files.size(file),
                                known == null ? Sha256.ofFile(file) : known.sha256()));
            }
        }
        return new Manifest(properties, entries);
    }

    byte[] toBytes() throws IOException {
        ObjectNode root = StrictJson.object();
        root.put("format", FORMAT).put("version", VERSION);
        ObjectNode facts = root.putObject("properties");
        properties.forEach(facts::put);
        ArrayNode list = root.putArray("files");
        for (FileEntry file : files) {
            list.addObject()
                    .put("name", file.name())
                    .put("size", file.size())
                    .put("sha256", file.sha256());
        }
        return StrictJson.toBytes(root);
    }

    /**
     * Reads a directory's manifest without looking at the files.
     *
     * @throws CheckpointException if there is none, or it is not one that this version knows
     */
    public static Manifest read(Path dir) throws IOException {
        Path file = dir.resolve(FILE_NAME);
        if (!Durable.exists(file)) {
            String what = Files.isDirectory(dir) ? "no " + FILE_NAME : "no such folder";
            throw new CheckpointException(
                    dir
                            + (": " + what + "; the folder was not written by Tegu, or writing it")
                            + " was interrupted: run the command that makes it again");
        }
        ObjectNode root = StrictJson.read(file);
        if (!root.path("format").asText("").equals(FORMAT)) {
            throw new CheckpointException(
                    file + ": not a manifest of Tegu: `format` is not `" + FORMAT + "`");
        }
        JsonNode version = root.path("version");
        if (!version.isInt() || version.intValue() != VERSION) {
            throw new CheckpointException(
                    file
                            + (": format version " + version + ", this program reads " + VERSION)
                            + "; a newer Tegu may have written it: use that one");
        }
        Map<String, String> properties = new LinkedHashMap<>();
        root.path("properties")
                .properties()
                .forEach(e -> properties.put(e.getKey(), e.getValue().asText()));
        List<FileEntry> files = new ArrayList<>();
        for (JsonNode entry : root.path("files")) {
            files.add(readEntry(file, entry));
        }
        return new Manifest(properties, files);
    }

    private static FileEntry readEntry(Path manifest, JsonNode entry) {
        String name = entry.path("name").asText("");
        boolean isInside =
                !name.isEmpty()
                        && name.chars().noneMatch(c -> c == '\\' || c == ':' || c < ' ')
                        && !List.of(name.split("/", -1)).contains("")
                        && !List.of(name.split("/", -1)).contains("..");
        JsonNode size = entry.path("size");
        if (!isInside || !size.canConvertToLong() || !entry.path("sha256").isTextual()) {
            throw new CheckpointException(
                    manifest
                            + (": entry `" + name + "` is not a plain relative name with `size`")
                            + " and `sha256`; the manifest was changed");
        }
        return new FileEntry(name, size.longValue(), entry.path("sha256").asText());
    }

    /**
     * Checks every file of a directory against its manifest, reading all bytes.
     *
     * @throws CheckpointException naming each file that is missing, changed or of another size, and
     *     each weight file that the manifest does not know; other unknown files do no harm
     */
    public static void verify(Path dir) throws IOException {
        List<String> faults = faults(dir);
        if (!faults.isEmpty()) {
            throw new CheckpointException(
                    dir
                            + (": " + String.join(", ", faults))
                            + "; fetch the folder again, or run the command that makes it");
        }
    }

    /**
     * What is wrong with a directory's files, reading all bytes; nothing where it is whole.
     *
     * @throws CheckpointException if the manifest itself is missing or unreadable
     */
    public static List<String> faults(Path dir) throws IOException {
        return faults(dir, (entry, file) -> Sha256.ofFile(file).equals(entry.sha256()));
    }

    /** Tells whether a file of the right size has the right bytes. */
    @FunctionalInterface
    interface Content {
        boolean isRight(FileEntry entry, Path file) throws IOException;
    }

    static List<String> faults(Path dir, Content content) throws IOException {
        List<FileEntry> entries = read(dir).files();
        List<String> faults = new ArrayList<>();
        try {
            // as many files at once as there are processors: a digest keeps one busy
            entries.parallelStream()
                    .map(entry -> fault(dir, entry, content))
                    .forEachOrdered(found -> found.ifPresent(faults::add));
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        Set<String> known = entries.stream().map(FileEntry::name).collect(Collectors.toSet());
        for (String name : Durable.fileNames(dir)) {
            if (name.contains(".safetensors") && !known.contains(name)) {
                faults.add(name + " is not in the manifest");
            }
        }
        return faults;
    }

    private static Optional<String> fault(Path dir, FileEntry entry, Content content) {
        Path file = dir.resolve(entry.name());
        try {
            if (!Durable.isFile(file)) {
                return Optional.of(entry.name() + " is missing");
            }
            if (Files.size(file) != entry.size()) {
                return Optional.of(
                        (entry.name() + " has " + Files.size(file))
                                + (" bytes, expected " + entry.size()));
            }
            return content.isRight(entry, file)
                    ? Optional.empty()
                    : Optional.of(entry.name() + " has changed (its sha256 differs)");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
