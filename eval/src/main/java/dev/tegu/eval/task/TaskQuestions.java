package dev.tegu.eval.task;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.Sample.Request;
import dev.tegu.eval.task.QuestionSettings.Scoring;
import dev.tegu.eval.task.TaskSpec.OutputType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes the prompts of one subject, as lm-evaluation-harness does: the description, the solved
 * examples, the question. A choice is asked as the delimiter and its text.
 */
final class TaskQuestions {
    /** The harness's seed of the draw of shots. */
    private static final int SHOT_SEED = 1234;

    private final TaskSpec spec;
    private final QuestionSettings settings;
    private final TaskData.Member data;
    private final DocText text;
    private final int shots;
    private final PythonRandom random = new PythonRandom(SHOT_SEED);
    private final Map<Integer, String> written = new HashMap<>();

    TaskQuestions(TaskSpec spec, QuestionSettings settings, TaskData.Member data) {
        this.spec = spec;
        this.settings = settings;
        this.data = data;
        this.text = new DocText(spec, data.subject());
        this.shots = shots(spec, settings);
    }

    /** Solved examples before each question. */
    static int shots(TaskSpec spec, QuestionSettings settings) {
        return settings.numFewshot().orElse(spec.numFewshot());
    }

    /**
     * All questions of the first records, those of one record together, by rotation.
     *
     * @param member index of the subject
     * @param limit records at most
     * @throws InvalidValueException if there are too few examples, or the options cannot be turned
     */
    List<TaskQuestion> ask(int member, int limit) {
        refuseHiddenOptions();
        List<TaskQuestion> questions = new ArrayList<>();
        for (TaskDoc doc : data.docs().subList(0, Math.min(limit, data.docs().size()))) {
            String before = text.description(doc) + examples(doc);
            for (int r = 0; r < settings.permutations(); r++) {
                questions.add(question(member, doc, r, before));
            }
        }
        return questions;
    }

    private TaskQuestion question(int member, TaskDoc doc, int rotation, String before) {
        if (spec.outputType() != OutputType.MULTIPLE_CHOICE) {
            String context = before + text.question(doc);
            String target = text.answer(doc);
            Request request =
                    spec.outputType() == OutputType.LOGLIKELIHOOD
                            ? new Request(context, target)
                            : writing(context);
            return new TaskQuestion(doc, member, 0, List.of(request), List.of(), -1, target);
        }
        TaskDoc asked = rotated(doc, rotation);
        List<String> choices = text.choices(asked);
        int count = choices.size();
        int gold = Math.floorMod(text.gold(doc, text.choices(doc)) - rotation, count);
        return new TaskQuestion(
                doc,
                member,
                rotation,
                requests(asked, before, choices),
                choices,
                gold,
                spec.multipleInputs() ? text.answer(doc) : Integer.toString(gold));
    }

    private List<Request> requests(TaskDoc doc, String before, List<String> choices) {
        if (settings.scoring() == Scoring.GENERATE) {
            return List.of(writing(before + text.question(doc)));
        }
        List<Request> requests = new ArrayList<>();
        if (spec.multipleInputs()) {
            String continuation = spec.targetDelimiter() + text.answer(doc);
            choices.forEach(choice -> requests.add(new Request(before + choice, continuation)));
        } else {
            String context = before + text.question(doc);
            choices.forEach(
                    choice -> requests.add(new Request(context, spec.targetDelimiter() + choice)));
        }
        return requests;
    }

    private Request writing(String context) {
        Map<String, Object> how = new LinkedHashMap<>();
        how.put("until", spec.generationKwargs().until());
        how.put("max_gen_toks", spec.generationKwargs().maxGenToks());
        return new Request(context, how);
    }

    private void refuseHiddenOptions() {
        boolean shown =
                spec.outputType() == OutputType.MULTIPLE_CHOICE
                        && !data.docs().get(0).layout().options().isEmpty();
        if (settings.permutations() > 1 && !shown) {
            throw new InvalidValueException(
                    "permutations",
                    ("task `" + spec.name() + "` does not show its options before the answer,")
                            + " so their order cannot matter; leave it at 1");
        }
        boolean choosing = spec.outputType() == OutputType.MULTIPLE_CHOICE;
        if (settings.scoring() == Scoring.GENERATE && choosing && !shown) {
            throw new InvalidValueException(
                    "scoring",
                    ("task `" + spec.name() + "` does not show its options before the answer,")
                            + " so none can be written; use `likelihood`");
        }
    }

    /** The record with its options turned: what was option {@code rotation} comes first. */
    private TaskDoc rotated(TaskDoc doc, int rotation) {
        if (rotation == 0) {
            return doc;
        }
        List<String> columns = doc.layout().options();
        Map<String, Object> fields = new LinkedHashMap<>(doc.fields());
        if (columns.size() == 1) {
            List<String> options = DocText.list(fields.get(columns.get(0)));
            fields.put(columns.get(0), turned(options, rotation));
        } else {
            List<Object> options = new ArrayList<>();
            columns.forEach(column -> options.add(doc.fields().get(column)));
            List<Object> turned = turned(options, rotation);
            for (int i = 0; i < columns.size(); i++) {
                fields.put(columns.get(i), turned.get(i));
            }
        }
        return doc.with(fields);
    }

    private <T> List<T> turned(List<T> options, int rotation) {
        if (rotation >= options.size()) {
            throw new InvalidValueException(
                    "permutations",
                    ("task `" + spec.name() + "` has " + options.size() + " options, ")
                            + "which have as many rotations; found "
                            + settings.permutations());
        }
        List<T> turned = new ArrayList<>(options.subList(rotation, options.size()));
        turned.addAll(options.subList(0, rotation));
        return turned;
    }

    private String examples(TaskDoc doc) {
        if (shots == 0) {
            return "";
        }
        boolean sameSplit = spec.shotSplit().equals(spec.measuredSplit());
        int drawn = sameSplit ? shots + 1 : shots;
        if (drawn > data.shots().size()) {
            throw new InvalidValueException(
                    "num_fewshot",
                    String.format(
                            "task `%s` has %d solved examples%s, asked for %d",
                            spec.member(data.subject()),
                            data.shots().size() - (sameSplit ? 1 : 0),
                            sameSplit ? " beside each question" : "",
                            shots));
        }
        List<TaskDoc> chosen =
                spec.fewshotConfig().sampler() == TaskSpec.Sampler.FIRST_N
                        ? data.shots().subList(0, drawn)
                        : random.sample(data.shots(), drawn);
        StringBuilder examples = new StringBuilder();
        chosen.stream()
                .filter(shot -> !sameSplit || !shot.fields().equals(doc.fields()))
                .limit(shots)
                .forEach(
                        shot ->
                                examples.append(
                                        written.computeIfAbsent(shot.id(), id -> text.shot(shot))));
        return examples.toString();
    }
}
