package dev.tegu.eval.task;

import dev.tegu.records.DataException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Finds a task's files below some folders. A pattern fits a file whose path ends with it, at a
 * folder's border; all files of one split must stand in one place, so that two copies of the data
 * are not measured as one.
 */
final class TaskFiles {
    /** Folders in folders that are looked into; data sets from the hub need four. */
    private static final int DEPTH = 7;

    /** Key of the files of a task without subjects. */
    static final String WHOLE = "";

    private final TaskSpec spec;
    private final List<String> subjects;
    private final List<Path> roots;
    private final Map<Path, List<String>> names = new LinkedHashMap<>();

    /**
     * @param subjects each must be there; empty: those that are found
     * @param roots folders to look below, the first that has a file counts; possibly none
     */
    TaskFiles(TaskSpec spec, List<String> subjects, List<Path> roots) {
        this.spec = spec;
        this.subjects = List.copyOf(subjects);
        this.roots = List.copyOf(roots);
    }

    /**
     * The files of a split, in the order of their names.
     *
     * @return by subject, in order; of a task without subjects one entry, {@link #WHOLE}
     * @throws DataException if there is none, one of the task's subjects has none, or they stand in
     *     several places
     */
    Map<String, List<Path>> find(String split) {
        if (roots.isEmpty()) {
            throw new DataException(
                    ("task `" + spec.name() + "` needs data: name their folder with --data (in an")
                            + " experiment `eval.data`)"
                            + source());
        }
        List<String> patterns = spec.files().get(split);
        for (String pattern : patterns) {
            for (Path root : roots) {
                Map<String, List<Path>> found = matching(root, pattern);
                if (!found.isEmpty()) {
                    return wanted(found, split);
                }
            }
        }
        throw new DataException(
                ("task `" + spec.name() + "`: no file of the split `" + split + "` below ")
                        + String.join(", ", roots.stream().map(Path::toString).toList())
                        + "; looked for "
                        + String.join(", ", patterns)
                        + source());
    }

    private Map<String, List<Path>> wanted(Map<String, List<Path>> found, String split) {
        if (subjects.isEmpty()) {
            return found;
        }
        List<String> missing = subjects.stream().filter(name -> !found.containsKey(name)).toList();
        if (!missing.isEmpty()) {
            throw new DataException(
                    ("task `" + spec.name() + "`: no file of the split `" + split + "` for ")
                            + missing.size()
                            + " of "
                            + subjects.size()
                            + " subjects, the first is `"
                            + missing.get(0)
                            + "`"
                            + source());
        }
        Map<String, List<Path>> wanted = new LinkedHashMap<>();
        subjects.forEach(name -> wanted.put(name, found.get(name)));
        return wanted;
    }

    private String source() {
        return spec.source().isEmpty() ? "" : "; they are published as " + spec.source();
    }

    private Map<String, List<Path>> matching(Path root, String pattern) {
        Pattern regex = regex(pattern);
        Map<String, List<Path>> found = new TreeMap<>();
        Set<String> places = new LinkedHashSet<>();
        for (String name : names.computeIfAbsent(root, TaskFiles::below)) {
            Matcher matcher = regex.matcher(name);
            if (matcher.matches()) {
                String subject = spec.group().isPresent() ? matcher.group("subject") : WHOLE;
                if (subjects.isEmpty() || subjects.contains(subject)) {
                    places.add(matcher.group("before"));
                    found.computeIfAbsent(subject, key -> new ArrayList<>())
                            .add(root.resolve(name));
                }
            }
        }
        if (places.size() > 1) {
            throw new DataException(
                    ("task `" + spec.name() + "`: `" + pattern + "` is there in several folders: ")
                            + String.join(
                                    ", ",
                                    places.stream().map(p -> root.resolve(p).toString()).toList())
                            + "; name one of them");
        }
        return found;
    }

    private static Pattern regex(String pattern) {
        StringBuilder regex = new StringBuilder("(?<before>(?:.*/)?)");
        boolean named = false;
        String rest = pattern;
        while (!rest.isEmpty()) {
            if (rest.startsWith(TaskSpec.SUBJECT)) {
                regex.append(named ? "\\k<subject>" : "(?<subject>[^/]+)");
                named = true;
                rest = rest.substring(TaskSpec.SUBJECT.length());
            } else {
                regex.append(rest.charAt(0) == '*' ? "[^/]*" : Pattern.quote(rest.substring(0, 1)));
                rest = rest.substring(1);
            }
        }
        return Pattern.compile(regex.toString());
    }

    private static List<String> below(Path root) {
        if (!Files.isDirectory(root)) {
            throw new DataException(
                    root + ": no such folder; the tasks' data are looked for in it");
        }
        try (Stream<Path> paths = Files.walk(root, DEPTH)) {
            return paths.filter(path -> RecordFile.ENDINGS.contains(RecordFile.ending(name(path))))
                    .filter(Files::isRegularFile)
                    .map(path -> root.relativize(path).toString().replace('\\', '/'))
                    .sorted()
                    .toList();
        } catch (IOException | UncheckedIOException e) {
            throw new DataException(root + ": cannot be looked through: " + e.getMessage(), e);
        }
    }

    private static String name(Path path) {
        return String.valueOf(path.getFileName());
    }
}
