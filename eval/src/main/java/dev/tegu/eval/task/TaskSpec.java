package dev.tegu.eval.task;

import dev.tegu.config.Default;
import dev.tegu.config.Flat;
import dev.tegu.config.InvalidValueException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A task file. The keys are those of lm-evaluation-harness's task files; what is ours: {@code
 * files}, {@code header}, {@code columns}, {@code layouts}, {@code subjects}, {@code options}, the
 * names of {@code process_docs}, and {@code {subject}}.
 *
 * <p>Of {@code test_split} and {@code validation_split} the first that is given is measured, as in
 * the harness. Shots come from {@code fewshot_split}, else from the training, validation or test
 * split, the first that is given.
 *
 * @param task name in settings and results; of a group's members, with {@code {subject}} in it
 * @param group name of the summary over all subjects; then {@code task} and {@code files} have
 *     {@code {subject}}
 * @param outputType what the model is asked for
 * @param datasetPath where the data come from: a name on the Hugging Face hub, or any words
 * @param datasetName configuration of the data set
 * @param files for each split patterns of file names, tried in order: the first that fits a file
 *     gives all files that it fits; {@code *} is any part of a name, {@code {subject}} the subject
 * @param header names of the columns of CSV files, which then have no line of names
 * @param subjects of a group: each must be there; empty: those whose files are found
 * @param trainingSplit split with solved examples
 * @param validationSplit split that is measured if there is no {@code test_split}
 * @param testSplit split that is measured
 * @param fewshotSplit split that shots are taken from
 * @param fewshotConfig how shots are chosen
 * @param numFewshot shots unless the settings say otherwise, 0 or more
 * @param description template of the text before everything
 * @param targetDelimiter what stands between a question and its answer
 * @param fewshotDelimiter what stands after each shot
 * @param layout columns and templates of the data as published
 * @param layouts other forms of the same data; the first whose columns are all there is taken,
 *     after {@code layout}. What one does not say is as in {@code layout}
 * @param multipleInputs whether the choices are contexts, and the target follows each of them
 * @param metricList what is reported, the headline first
 * @param filterList what makes an answer of a text, at most one entry
 * @param generationKwargs how texts are written
 * @param metadata the version
 */
public record TaskSpec(
        String task,
        Optional<String> group,
        OutputType outputType,
        Optional<String> datasetPath,
        Optional<String> datasetName,
        Map<String, List<String>> files,
        @Default("[]") List<String> header,
        @Default("[]") List<String> subjects,
        Optional<String> trainingSplit,
        Optional<String> validationSplit,
        Optional<String> testSplit,
        Optional<String> fewshotSplit,
        @Default("{}") FewshotConfig fewshotConfig,
        @Default("0") int numFewshot,
        @Default("\"\"") String description,
        @Default("\" \"") String targetDelimiter,
        @Default("\"\\n\\n\"") String fewshotDelimiter,
        @Flat Layout layout,
        @Default("[]") List<Layout> layouts,
        @Default("false") boolean multipleInputs,
        List<MetricSpec> metricList,
        @Default("[]") List<FilterSpec> filterList,
        @Default("{}") GenerationKwargs generationKwargs,
        @Default("{}") Metadata metadata) {

    /** Stands in names for the subject. */
    static final String SUBJECT = "{subject}";

    /** What the model is asked for. */
    public enum OutputType {
        /** To rate each choice. */
        MULTIPLE_CHOICE,
        /** To rate one text. */
        LOGLIKELIHOOD,
        /** To write. */
        GENERATE_UNTIL
    }

    /** How shots are chosen. */
    public enum Sampler {
        /** At random, as Python's {@code random.Random(1234).sample} draws them. */
        DEFAULT,
        /** The first ones, in their order. */
        FIRST_N
    }

    /**
     * @param sampler how shots are chosen
     */
    public record FewshotConfig(@Default("default") Sampler sampler) {}

    /**
     * @param version rises when the numbers of the task change
     */
    public record Metadata(@Default("1.0") double version) {}

    /**
     * How texts are written.
     *
     * @param until texts that end the answer, and are no part of it
     * @param maxGenToks tokens of an answer at most, 1 or more
     */
    public record GenerationKwargs(
            @Default("[\"\\n\"]") List<String> until, @Default("32") int maxGenToks) {
        /**
         * @throws InvalidValueException if a number is out of range or a text is empty
         */
        public GenerationKwargs {
            until = List.copyOf(until);
            if (maxGenToks < 1) {
                throw new InvalidValueException(
                        "max_gen_toks", "expected 1 or more, found " + maxGenToks);
            }
            if (until.contains("")) {
                throw new InvalidValueException("until", "an empty text ends every answer");
            }
        }
    }

    /**
     * @throws InvalidValueException if the keys do not fit each other
     */
    public TaskSpec {
        files = Map.copyOf(files);
        header = List.copyOf(header);
        subjects = List.copyOf(subjects);
        layouts = List.copyOf(layouts);
        metricList = List.copyOf(metricList);
        filterList = List.copyOf(filterList);
        refuseUnknownSplits(files, trainingSplit, validationSplit, testSplit, fewshotSplit);
        if (testSplit.isEmpty() && validationSplit.isEmpty()) {
            throw new InvalidValueException(
                    "test_split", "name the split that is measured, one of those in `files`");
        }
        if (numFewshot < 0) {
            throw new InvalidValueException(
                    "num_fewshot", "expected 0 or more, found " + numFewshot);
        }
        refuseMisplacedSubject(task, group, files, subjects);
        if (layout.docToText().isEmpty()) {
            throw new InvalidValueException("doc_to_text", "expected a template or a column");
        }
        if (layout.docToTarget().isEmpty()) {
            throw new InvalidValueException("doc_to_target", "expected a template or a column");
        }
        boolean choice = outputType == OutputType.MULTIPLE_CHOICE;
        if (choice != layout.docToChoice().isPresent()) {
            throw new InvalidValueException(
                    "doc_to_choice",
                    choice ? "expected the answers" : "only `multiple_choice` has answers");
        }
        if (multipleInputs && !choice) {
            throw new InvalidValueException(
                    "multiple_inputs", "only `multiple_choice` has several contexts");
        }
        if (metricList.isEmpty()) {
            throw new InvalidValueException("metric_list", "expected at least one metric");
        }
        for (MetricSpec metric : metricList) {
            metric.metric().requireFits(outputType);
        }
        if (filterList.size() > 1) {
            throw new InvalidValueException(
                    "filter_list", "one filter makes one answer; leave one of them");
        }
    }

    /** The split that is measured. */
    String measuredSplit() {
        return testSplit.or(() -> validationSplit).orElseThrow();
    }

    /** The split that shots come from. */
    String shotSplit() {
        return fewshotSplit
                .or(() -> trainingSplit)
                .or(() -> validationSplit)
                .or(() -> testSplit)
                .orElseThrow();
    }

    /** Name of the task, or of the group. */
    public String name() {
        return group.orElse(task);
    }

    /** Name of the member for a subject, or of the task. */
    String member(Optional<String> subject) {
        return subject.map(name -> task.replace(SUBJECT, name)).orElse(task);
    }

    /** The subject of a group's member of that name, if it has one. */
    Optional<String> subjectOf(String member) {
        int at = task.indexOf(SUBJECT);
        if (at < 0 || !member.startsWith(task.substring(0, at))) {
            return Optional.empty();
        }
        String subject = member.substring(at);
        return Optional.of(subject).filter(name -> subjects.isEmpty() || subjects.contains(name));
    }

    /** The forms that the data may have, the published one first. */
    List<Layout> allLayouts() {
        List<Layout> all = new ArrayList<>(List.of(layout));
        layouts.forEach(other -> all.add(other.over(layout)));
        return all;
    }

    /** Where the data come from, for people; empty if the file does not say. */
    String source() {
        return datasetPath.orElse("") + datasetName.map(name -> " " + name).orElse("");
    }

    private static void refuseUnknownSplits(
            Map<String, List<String>> files,
            Optional<String> training,
            Optional<String> validation,
            Optional<String> test,
            Optional<String> fewshot) {
        Map<String, Optional<String>> splits = new LinkedHashMap<>();
        splits.put("training_split", training);
        splits.put("validation_split", validation);
        splits.put("test_split", test);
        splits.put("fewshot_split", fewshot);
        splits.forEach(
                (key, split) ->
                        split.ifPresent(
                                name -> {
                                    if (!files.containsKey(name)) {
                                        throw new InvalidValueException(
                                                key,
                                                "`files` has no split `"
                                                        + name
                                                        + "`; add the names of its files there");
                                    }
                                }));
        for (Map.Entry<String, List<String>> split : files.entrySet()) {
            if (!splits.containsValue(Optional.of(split.getKey()))) {
                throw new InvalidValueException(
                        "files", "no key names the split `" + split.getKey() + "`");
            }
            if (split.getValue().isEmpty()) {
                throw new InvalidValueException(
                        "files", "the split `" + split.getKey() + "` has no file");
            }
        }
    }

    private static void refuseMisplacedSubject(
            String task,
            Optional<String> group,
            Map<String, List<String>> files,
            List<String> subjects) {
        if (group.isPresent() != task.contains(SUBJECT)) {
            throw new InvalidValueException(
                    "task",
                    group.isPresent()
                            ? "a group's members need " + SUBJECT + " in their name"
                            : SUBJECT + " needs `group`, the name of the summary");
        }
        if (group.isPresent() && !task.endsWith(SUBJECT)) {
            throw new InvalidValueException("task", "expected " + SUBJECT + " at its end");
        }
        boolean all =
                files.values().stream()
                        .flatMap(List::stream)
                        .allMatch(pattern -> pattern.contains(SUBJECT) == group.isPresent());
        if (!all) {
            throw new InvalidValueException(
                    "files",
                    group.isPresent()
                            ? "every file of a group needs " + SUBJECT + " in its name"
                            : SUBJECT + " needs `group`, the name of the summary");
        }
        if (!subjects.isEmpty() && group.isEmpty()) {
            throw new InvalidValueException("subjects", "only a `group` has subjects");
        }
    }
}
