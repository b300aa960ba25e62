package dev.tegu.eval;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The texts that an evaluation may use, whole in memory, and where other data are.
 *
 * @param texts the texts in a fixed order, possibly none
 * @param root folder below which tasks that are files find their records; empty if none was named
 */
public record EvalData(List<NamedText> texts, Optional<Path> root) {
    /** Endings of the files that are taken from a directory. */
    private static final Set<String> ENDINGS = Set.of("txt", "md", "tokens");

    /**
     * One text.
     *
     * @param name file name without directories, for the report
     * @param text the content
     */
    public record NamedText(String name, String text) {}

    /** Copies the list. */
    public EvalData {
        texts = List.copyOf(texts);
    }

    /** Texts alone. */
    public EvalData(List<NamedText> texts) {
        this(texts, Optional.empty());
    }

    /** No text: enough for tasks that make their own documents. */
    public static EvalData none() {
        return new EvalData(List.of());
    }

    /**
     * Reads a text file, whatever its ending, or every file of a directory (not of the directories
     * in it) that ends in {@code .txt}, {@code .md} or {@code .tokens}, sorted by name. Line ends
     * become a single newline, whether they were CR LF, CR or LF: models have seldom seen a CR, and
     * one a line can raise the perplexity of a book by half. A directory is the root as well.
     *
     * @throws IOException if the path does not exist, cannot be read or is not UTF-8; the message
     *     begins with the path
     */
    public static EvalData load(Path path) throws IOException {
        List<NamedText> texts = new ArrayList<>();
        for (Path file : files(path)) {
            texts.add(new NamedText(String.valueOf(file.getFileName()), read(file)));
        }
        return new EvalData(texts, Optional.of(path).filter(Files::isDirectory));
    }

    /**
     * The texts, of which a task needs at least one.
     *
     * @param task name of the task that asks, for the message
     * @throws IllegalArgumentException if there is none
     */
    public List<NamedText> required(String task) {
        if (texts.isEmpty()) {
            throw new IllegalArgumentException(
                    "task `"
                            + task
                            + "` needs text, and the data holds none: give a text file, or a"
                            + " directory with .txt, .md or .tokens files");
        }
        return texts;
    }

    private static List<Path> files(Path path) throws IOException {
        if (!Files.isDirectory(path)) {
            return List.of(path);
        }
        try (Stream<Path> entries = Files.list(path)) {
            return entries.filter(EvalData::isText)
                    .sorted()
                    .collect(Collectors.toCollection(ArrayList::new));
        }
    }

    private static boolean isText(Path file) {
        String name = String.valueOf(file.getFileName());
        return ENDINGS.contains(name.substring(name.lastIndexOf('.') + 1))
                && Files.isRegularFile(file);
    }

    private static String read(Path file) throws IOException {
        try {
            return Files.readString(file).replace("\r\n", "\n").replace('\r', '\n');
        } catch (NoSuchFileException e) {
            throw new IOException(file + ": no such file or directory", e);
        } catch (CharacterCodingException e) {
            throw new IOException(file + ": not UTF-8 text; convert it to UTF-8", e);
        }
    }
}
