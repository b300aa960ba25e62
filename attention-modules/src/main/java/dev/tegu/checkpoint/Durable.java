package dev.tegu.checkpoint;

import java.io.File;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * Whole files and directories: whether they are there, whether the disk has them, their removal.
 */
public final class Durable {

    private Durable() {}

    /**
     * Whether there is something at a path. Unlike {@link Files#exists} it does not take a disk
     * that cannot be read for one that holds nothing.
     *
     * @throws IOException if that cannot be told
     */
    public static boolean exists(Path path) throws IOException {
        try {
            Files.readAttributes(path, BasicFileAttributes.class);
            return true;
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    /** Makes a folder and those above it that are missing, each one on the disk on return. */
    public static void createFolders(Path dir) throws IOException {
        Path absolute = dir.toAbsolutePath();
        if (Files.isDirectory(absolute)) {
            return;
        }
        if (absolute.getParent() != null) {
            createFolders(absolute.getParent());
        }
        Files.createDirectories(absolute);
        if (absolute.getParent() != null) {
            syncFolder(absolute.getParent());
        }
    }

    /**
     * Writes a file that is whole at any time: aside, waited for, renamed onto the name. One that
     * is there is replaced. A failure leaves it as it was, and nothing beside it.
     */
    public static void write(Path file, byte[] bytes) throws IOException {
        Path partial = file.resolveSibling("." + file.getFileName() + ".partial");
        try {
            Files.write(partial, bytes);
            syncFile(partial);
            Files.move(
                    partial,
                    file,
                    StandardCopyOption.REPLACE_EXISTING,
                    StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(partial);
        }
        syncFolder(file.toAbsolutePath().getParent());
    }

    /**
     * Relative names of all regular files, {@code /} between folders, sorted; of what a link leads
     * to, if {@code dir} is one.
     */
    static List<String> fileNames(Path dir) throws IOException {
        List<String> names = new ArrayList<>();
        Path root = Files.isSymbolicLink(dir) ? dir.toRealPath() : dir;
        // A filter of Files.walk would leave out what cannot be looked at; this throws.
        Files.walkFileTree(
                root,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                            throws IOException {
                        if (isFile(file)) {
                            String name = root.relativize(file).toString();
                            names.add(name.replace(File.separatorChar, '/'));
                        }
                        return FileVisitResult.CONTINUE;
                    }
                });
        Collections.sort(names);
        return names;
    }

    /** Whether a path leads to a regular file, through links too. */
    static boolean isFile(Path path) throws IOException {
        try {
            return Files.readAttributes(path, BasicFileAttributes.class).isRegularFile();
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    /** Waits until the disk has a file's bytes. */
    static void syncFile(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
    }

    /** Waits until the disk has a folder's names; Windows offers no such call and needs none. */
    public static void syncFolder(Path dir) throws IOException {
        if (File.separatorChar == '/') {
            try (FileChannel channel = FileChannel.open(dir, StandardOpenOption.READ)) {
                channel.force(true);
            }
        }
    }

    /** Waits until the disk has every file and name below a folder. */
    static void syncTree(Path dir) throws IOException {
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(dir)) {
            paths = walk.toList();
        }
        for (Path path : paths) {
            if (Files.isDirectory(path)) {
                syncFolder(path);
            } else {
                syncFile(path);
            }
        }
    }

    /** Removes a folder and all below it, if it exists; links are removed, not followed. */
    public static void deleteTree(Path dir) throws IOException {
        if (!exists(dir)) {
            return;
        }
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(dir)) {
            paths = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path path : paths) {
            Files.deleteIfExists(path);
        }
    }
}
