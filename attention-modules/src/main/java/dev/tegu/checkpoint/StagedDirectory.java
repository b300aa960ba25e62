package dev.tegu.checkpoint;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.SecureRandom;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

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

    private static final Pattern LEFTOVER = Pattern.compile("\\.(.+)\\.tmp-[0-9a-f]{12}");

    private final Path target;
    private final Path staging;
    private final Map<String, String> properties = new TreeMap<>();
    private final Map<String, Checksums> checksums = new HashMap<>();
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
        Durable.createFolders(absolute.getParent());
        String name = "." + absolute.getFileName() + ".tmp-" + randomHex();
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

    /** Writes tensors into a file whose digest is taken in memory, before the disk has them. */
    public void write(String name, Map<String, TensorSource> tensors) throws IOException {
        Path file = path(name);
        Checksums meant = SafetensorsWriter.writeAndDigest(file, tensors);
        checksums.put(staging.relativize(file).toString().replace(File.separatorChar, '/'), meant);
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
        Manifest meant = Manifest.of(staging, properties, checksums);
        Files.write(manifest, meant.toBytes());
        Durable.syncFile(manifest);
        Durable.syncFolder(staging);
        requireAsMeant(meant);
        refuseOccupied(target);
        if (Files.isDirectory(target)) {
            Files.delete(target);
        }
        Files.move(staging, target, StandardCopyOption.ATOMIC_MOVE);
        isCommitted = true;
        Durable.syncFolder(target.getParent());
    }

    private void requireAsMeant(Manifest meant) throws IOException {
        List<String> faults = Manifest.faults(staging, this::holdsWhatWasMeant);
        if (!faults.isEmpty() || !Manifest.read(staging).equals(meant)) {
            throw new CheckpointException(
                    target
                            + ": the disk gives back other bytes than were written ("
                            + (faults.isEmpty() ? Manifest.FILE_NAME : String.join(", ", faults))
                            + "); nothing was kept. Check the disk, and write to another one");
        }
    }

    private boolean holdsWhatWasMeant(Manifest.FileEntry entry, Path file) throws IOException {
        Checksums known = checksums.get(entry.name());
        return known == null
                ? Sha256.ofFile(file).equals(entry.sha256())
                : Checksums.crc32cOf(file) == known.crc32c();
    }

    /**
     * Removes what killed processes left of directories that they were writing, {@code
     * .NAME.tmp-RANDOM}. Only for a folder that no one else writes into now: see {@link
     * DirectoryLock}.
     *
     * @param folder where the directories would have appeared; may be missing
     * @param isOurs tells by NAME whose leftovers are removed
     */
    public static void removeLeftovers(Path folder, Predicate<String> isOurs) throws IOException {
        if (!Durable.exists(folder)) {
            return;
        }
        for (String file : WeightFiles.list(folder)) {
            Matcher matcher = LEFTOVER.matcher(file);
            if (matcher.matches() && isOurs.test(matcher.group(1))) {
                Durable.deleteTree(folder.resolve(file));
            }
        }
    }

    /**
     * Takes a directory away in one step, so that a crash leaves it whole or under the name of a
     * leftover.
     */
    public static void remove(Path dir) throws IOException {
        Path aside = dir.resolveSibling("." + dir.getFileName() + ".tmp-" + randomHex());
        Files.move(dir, aside, StandardCopyOption.ATOMIC_MOVE);
        Durable.deleteTree(aside);
    }

    private static String randomHex() {
        byte[] random = new byte[6];
        RANDOM.nextBytes(random);
        return HexFormat.of().formatHex(random);
    }

    /** Removes what was written, unless it was committed. */
    @Override
    public void close() throws IOException {
        if (!isCommitted) {
            Durable.deleteTree(staging);
        }
    }
}
