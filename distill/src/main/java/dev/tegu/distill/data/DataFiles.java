package dev.tegu.distill.data;

import dev.tegu.records.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Finds the files that a configuration means by a path.
 *
 * <p>A path is a file; or a pattern with {@code *} and {@code ?} (any characters, any one, within a
 * name); or a directory as a data set comes from a hub, of which the files of one split are taken:
 * those of the directory, else of {@code data} in it, that have the split's name as a word in
 * theirs, such as {@code train-00000-of-00002.parquet}, {@code my_train.jsonl} or {@code
 * validation.txt.gz}. The files of a pattern or a directory are read in the order of their names.
 */
public final class DataFiles {
    /** Which files of a directory are meant. */
    public enum Split {
        /** Words that mark a file to train on. */
        TRAIN("train"),
        /** Words that mark a file to measure on. */
        VALIDATION("validation|valid|val");

        private final Pattern word;

        Split(String words) {
            this.word = Pattern.compile("(?i).*(?<![a-z])(" + words + ")(?![a-z]).*");
        }
    }

    private static final Pattern TEXTS = Pattern.compile("(?i).*\\.(txt|md)(\\.gz)?");
    private static final Pattern RECORDS =
            Pattern.compile("(?i).*\\.(parquet|jsonl(\\.gz)?|json(\\.gz)?)");

    private DataFiles() {}

    /**
     * @param paths of a configuration, in its order
     * @param format decides which files of a directory are data
     * @return files that exist
     * @throws DataException if a path is nothing that exists, or has no file of the split
     */
    public static List<Path> find(List<String> paths, Split split, DataFormat format)
            throws IOException {
        List<Path> files = new ArrayList<>();
        for (String path : paths) {
            files.addAll(find(Path.of(path), split, format));
        }
        return files;
    }

    private static List<Path> find(Path path, Split split, DataFormat format) throws IOException {
        if (Files.isDirectory(path)) {
            return ofDirectory(path, split, format);
        }
        if (Files.exists(path)) {
            if (!Files.isReadable(path)) {
                throw new DataException(path + ": not readable; check its permissions");
            }
            return List.of(path);
        }
        if (isPattern(path.toString())) {
            List<Path> found = ofPattern(path);
            if (found.isEmpty()) {
                throw new DataException(path + ": no file fits this pattern; " + whereFrom());
            }
            return found;
        }
        throw new DataException(path + ": no such file; " + whereFrom());
    }

    private static String whereFrom() {
        return "relative paths start at the current directory, " + Path.of("").toAbsolutePath();
    }

    private static boolean isPattern(String name) {
        return name.indexOf('*') >= 0 || name.indexOf('?') >= 0;
    }

    private static List<Path> ofDirectory(Path dir, Split split, DataFormat format)
            throws IOException {
        Pattern kinds = format == DataFormat.TEXT ? TEXTS : RECORDS;
        for (Path place : List.of(dir, dir.resolve("data"))) {
            List<Path> files =
                    list(place).stream()
                            .filter(Files::isRegularFile)
                            .filter(file -> kinds.matcher(name(file)).matches())
                            .filter(file -> split.word.matcher(name(file)).matches())
                            .toList();
            TreeSet<String> endings = new TreeSet<>();
            files.forEach(file -> endings.add(ending(file)));
            if (endings.size() > 1) {
                throw new DataException(
                        (place + ": the split is there as " + String.join(" and ", endings))
                                + "; name one kind, such as "
                                + place.resolve("*" + endings.first()));
            }
            if (!files.isEmpty()) {
                return files;
            }
        }
        String word = split.name().toLowerCase(Locale.ROOT);
        String kind = format == DataFormat.TEXT ? "text (.txt, .md)" : "records (.parquet, .jsonl)";
        throw new DataException(
                (dir + ": a directory without a file of " + kind + " named for the split `" + word)
                        + "`, such as "
                        + (format == DataFormat.TEXT ? word + ".txt" : word + "-*.parquet")
                        + "; name the files themselves, or a pattern");
    }

    private static String ending(Path file) {
        String name = name(file).toLowerCase(Locale.ROOT);
        String plain = name.endsWith(".gz") ? name.substring(0, name.length() - 3) : name;
        return plain.substring(plain.lastIndexOf('.')) + name.substring(plain.length());
    }

    /** Follows a pattern one name at a time. */
    private static List<Path> ofPattern(Path pattern) throws IOException {
        List<Path> found = new ArrayList<>();
        found.add(pattern.isAbsolute() ? pattern.getRoot() : Path.of(""));
        for (Path part : pattern) {
            List<Path> next = new ArrayList<>();
            for (Path dir : found) {
                if (!isPattern(part.toString())) {
                    next.add(dir.resolve(part));
                    continue;
                }
                Pattern names = names(part.toString());
                for (Path entry : list(dir)) {
                    if (names.matcher(name(entry)).matches()) {
                        next.add(dir.resolve(name(entry)));
                    }
                }
            }
            found = next;
        }
        return found.stream().filter(Files::isRegularFile).sorted().toList();
    }

    private static Pattern names(String pattern) {
        StringBuilder regex = new StringBuilder();
        for (int i = 0; i < pattern.length(); i++) {
            char c = pattern.charAt(i);
            regex.append(
                    switch (c) {
                        case '*' -> ".*";
                        case '?' -> ".";
                        default -> Pattern.quote(String.valueOf(c));
                    });
        }
        return Pattern.compile(regex.toString(), Pattern.DOTALL);
    }

    /** Sorted; a place that is no directory holds nothing. */
    private static List<Path> list(Path dir) throws IOException {
        if (!Files.isDirectory(dir)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(dir)) {
            return entries.sorted().toList();
        }
    }

    private static String name(Path file) {
        return String.valueOf(file.getFileName());
    }
}
