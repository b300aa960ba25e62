package dev.tegu.eval.task;

import dev.tegu.records.DataException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The records of a task, whole in memory.
 *
 * @param members one entry a subject, in order; of a task without subjects a single one
 */
record TaskData(List<Member> members) {
    /**
     * A subject's records.
     *
     * @param subject empty where the task has none
     * @param docs those that are measured, at least one
     * @param shots those that solved examples are taken from; empty if none were asked for
     */
    record Member(Optional<String> subject, List<TaskDoc> docs, List<TaskDoc> shots) {}

    /**
     * Reads the files.
     *
     * @param files finds them
     * @param needsShots whether solved examples are read
     * @throws DataException if a file is missing, damaged, empty, or of no form that the task knows
     */
    static TaskData read(TaskSpec spec, TaskFiles files, boolean needsShots) {
        Map<String, List<Path>> measured = files.find(spec.measuredSplit());
        Map<String, List<Path>> solved =
                needsShots ? files.find(spec.shotSplit()) : Map.<String, List<Path>>of();
        List<Member> members = new ArrayList<>();
        measured.forEach(
                (subject, paths) -> {
                    Optional<String> name =
                            Optional.of(subject).filter(s -> !s.equals(TaskFiles.WHOLE));
                    List<TaskDoc> shots = docs(spec, solved.getOrDefault(subject, List.of()));
                    if (needsShots && shots.isEmpty()) {
                        throw new DataException(
                                ("task `" + spec.name() + "`: the subject `" + subject)
                                        + "` has no file of the split `"
                                        + spec.shotSplit()
                                        + "`, which the solved examples come from");
                    }
                    members.add(new Member(name, docs(spec, paths), shots));
                });
        return new TaskData(members);
    }

    private static List<TaskDoc> docs(TaskSpec spec, List<Path> files) {
        List<TaskDoc> docs = new ArrayList<>();
        for (Path file : files) {
            int before = docs.size();
            List<Layout> known = new ArrayList<>();
            RecordFile.each(
                    file,
                    spec.header(),
                    (fields, place) -> {
                        if (known.isEmpty()) {
                            known.add(layout(spec, file, fields.keySet()));
                        }
                        docs.add(doc(docs.size(), place, fields, known.get(0)));
                    });
            if (docs.size() == before) {
                throw new DataException(file + ": holds no record");
            }
        }
        return docs;
    }

    private static TaskDoc doc(int id, String place, Map<String, Object> fields, Layout layout) {
        try {
            Map<String, Object> ready =
                    layout.processDocs().map(function -> function.apply(fields)).orElse(fields);
            return new TaskDoc(id, place, ready, layout);
        } catch (IllegalArgumentException e) {
            throw new DataException(place + ": " + e.getMessage(), e);
        }
    }

    private static Layout layout(TaskSpec spec, Path file, Set<String> columns) {
        for (Layout layout : spec.allLayouts()) {
            if (columns.containsAll(layout.columns())) {
                return layout;
            }
        }
        Set<String> known = new LinkedHashSet<>();
        spec.allLayouts().forEach(layout -> known.add(String.join(", ", layout.columns())));
        throw new DataException(
                (file + ": its columns fit no form that the task `" + spec.name() + "` knows: ")
                        + "found "
                        + String.join(", ", columns)
                        + "; expected "
                        + String.join(", or ", known));
    }
}
