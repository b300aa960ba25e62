package dev.tegu.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;

/**
 * A directory that appears whole or not at all.
 *
 * <p>Files are written into a temporary sibling {@code .NAME.tmp-RANDOM}. {@link #commit} waits for
 * the disk, writes the {@link Manifest} last, reads everything back against it and renames the
 * sibling onto the target in one step. {@link #close} without a commit removes the sibling; a
 * killed process leaves it, and never a target.
 */
public final class StagedDirectory implements AutoCloseable {

    private static final SecureRandom RANDOM = new SecureRandom();

    private final Path target;
    private final Path staging;
    private final Map<String, String> properties = new TreeMap<>();
    private boolean isCommitted;

    private StagedDirectory(Path target, Path staging) {
        this.target = target;
        this.staging = staging;
    }

    /**
     * @param target does not exist, or is an empty directory; parents are made as needed
     * @throws CheckpointException if something is there already
     */
    public static StagedDirectory create(Path target) throws IOException {
        Path absolute = target.toAbsolutePath().normalize();
        if (absolute.getFileName() == null) {
            throw new CheckpointException(target + ": is a file system's root; choose a folder");
        }
        refuseOccupied(absolute);
        if (Files.isDirectory(absolute)) {
            // A link to an empty folder: the rename must replace the folder, not the link.
            absolute = absolute.toRealPath();
        }
        Files.createDirectories(absolute.getParent());
        byte[] random = new byte[6];
        RANDOM.nextBytes(random);
        String name = "." + absolute.getFileName() + ".tmp-" + HexFormat.of().formatHex(random);
        return new StagedDirectory(absolute, Files.createDirectory(absolute.resolveSibling(name)));
    }

    private static void refuseOccupied(Path target) throws IOException {
        if (Files.isDirectory(target)) {
            var names = WeightFiles.list(target);
            if (!names.isEmpty()) {
                throw new CheckpointException(
                        target
                                + (": is not empty, holds " + WeightFiles.describe(names))
                                + "; choose another output, or remove the folder first");
            }
        } else if (Files.exists(target)) {
            throw new CheckpointException(
                    target + ": is a file; choose another output, or remove the file first");
        }
    }

    /** Where the directory will be. */
    public Path target() {
        return target;
    }

    /**
     * Where to write a file of this directory; folders in the name are made.
     *
     * @param file relative name, {@code /} between folders
     * @throws IllegalArgumentException if the name leads out of the directory or is the manifest's
     */
    public Path path(String file) throws IOException {
        Path path = staging.resolve(file).normalize();
        if (!path.startsWith(staging) || path.equals(staging)) {
            throw new IllegalArgumentException(file + " is not inside of the directory");
        }
        if (path.equals(staging.resolve(Manifest.FILE_NAME))) {
            throw new IllegalArgumentException(file + " is written by commit");
        }
        Files.createDirectories(path.getParent());
        return path;
    }

    /** Copies a file's bytes into this directory; its permissions stay behind. */
    public void copy(Path source, String name) throws IOException {
        // Copied as a file, a read-only source would make a copy that cannot be opened to sync it.
        try (InputStream in = Files.newInputStream(source)) {
            Files.copy(in, path(name), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Adds a small fact for the manifest, such as the program's version. */
    public StagedDirectory property(String name, String value) {
        properties.put(name, value);
        return this;
    }

    /**
     * Makes the directory real. On any failure the target is as it was before.
     *
     * @throws CheckpointException if the target has appeared meanwhile, or what was written does
     *     not read back
     */
    public void commit() throws IOException {
        if (isCommitted) {
            throw new IllegalStateException(target + " is committed already");
        }
        Durable.syncTree(staging);
        Path manifest = staging.resolve(Manifest.FILE_NAME);
        Files.write(manifest, Manifest.of(staging, properties).toBytes());
        Durable.syncFile(manifest);
        Durable.syncFolder(staging);
        Manifest.verify(staging);
        refuseOccupied(target);
        if (Files.isDirectory(target)) {
            Files.delete(target);
        }
        Files.move(staging, target, StandardCopyOption.ATOMIC_MOVE);
        isCommitted = true;
        Durable.syncFolder(target.getParent());
    }

    /** Removes what was written, unless it was committed. */
    @Override
    public void close() throws IOException {
        if (!isCommitted) {
            Durable.deleteTree(staging);
        }
    }
}
