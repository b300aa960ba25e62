package dev.tegu.eval.task;

import dev.tegu.eval.BatchScorer;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalProgress;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.EvalTask;
import dev.tegu.eval.Metric;
import dev.tegu.eval.Sample;
import dev.tegu.eval.TaskResult;
import dev.tegu.eval.TaskResult.Timing;
import dev.tegu.eval.task.PairScorer.Rating;
import dev.tegu.eval.task.QuestionSettings.Scoring;
import dev.tegu.eval.task.TaskSpec.OutputType;
import dev.tegu.tokenizer.TextTokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** A task that is a file: asks the questions of local data as the file says. */
public final class QuestionTask implements EvalTask {
    /** Questions whose texts take seconds to become tokens. */
    static final int MANY = 2_000;

    private final TaskSpec spec;
    private final Optional<Path> folder;
    private final Optional<String> only;

    /**
     * @param spec the task
     * @param folder of the task's own file, where its data may be; empty for one that comes with
     *     the program
     */
    public QuestionTask(TaskSpec spec, Optional<Path> folder) {
        this(spec, folder, Optional.empty());
    }

    /**
     * @param only of a group, the subject that alone is measured
     */
    QuestionTask(TaskSpec spec, Optional<Path> folder, Optional<String> only) {
        this.spec = spec;
        this.folder = folder;
        this.only = only;
    }

    @Override
    public String name() {
        return only.isPresent() ? spec.member(only) : spec.name();
    }

    @Override
    public String description() {
        String metrics =
                spec.metricList().stream()
                        .map(metric -> metric.metric().word())
                        .collect(Collectors.joining(", "));
        String subjects =
                spec.group().isEmpty()
                        ? ""
                        : spec.subjects().isEmpty()
                                ? ", by subject"
                                : ", " + spec.subjects().size() + " subjects";
        String source = spec.source().isEmpty() ? "" : "; " + spec.source();
        return word(spec.outputType()).replace('_', ' ')
                + ", "
                + spec.numFewshot()
                + (spec.numFewshot() == 1 ? " shot" : " shots")
                + subjects
                + ": "
                + metrics
                + source;
    }

    @Override
    public boolean needsText() {
        return false;
    }

    @Override
    public void check(
            TextTokenizer tokenizer, EvalData data, EvalSettings settings, int maxPositions) {
        Asked asked = ask(data, settings);
        PairEncoder encoder = new PairEncoder(tokenizer, settings.questions(), maxPositions);
        if (isWritten(settings)) {
            prompts(asked.questions(), encoder, maxPositions);
        } else {
            pairs(asked.questions(), encoder, EvalProgress.NONE);
        }
    }

    /** The records and what is asked of them, those of one subject together. */
    private record Asked(TaskData data, List<TaskQuestion> questions) {}

    private Asked ask(EvalData data, EvalSettings settings) {
        QuestionSettings how = settings.questions();
        List<Path> roots = new ArrayList<>();
        data.root().or(() -> how.data().map(Path::of)).ifPresent(roots::add);
        folder.ifPresent(roots::add);
        List<String> subjects = only.map(List::of).orElse(spec.subjects());
        TaskFiles files = new TaskFiles(spec, subjects, roots);
        TaskData records = TaskData.read(spec, files, TaskQuestions.shots(spec, how) > 0);
        List<TaskQuestion> questions = new ArrayList<>();
        for (int m = 0; m < records.members().size(); m++) {
            TaskData.Member member = records.members().get(m);
            int limit = settings.limit().orElse(member.docs().size());
            questions.addAll(new TaskQuestions(spec, how, member).ask(m, limit));
        }
        return new Asked(records, questions);
    }

    private boolean isWritten(EvalSettings settings) {
        return spec.outputType() == OutputType.GENERATE_UNTIL
                || (spec.outputType() == OutputType.MULTIPLE_CHOICE
                        && settings.questions().scoring() == Scoring.GENERATE);
    }

    /** The texts as tokens; of many questions that takes a while, and is told. */
    private List<TokenPair> pairs(
            List<TaskQuestion> questions, PairEncoder encoder, EvalProgress progress) {
        EvalProgress heard = questions.size() < MANY ? EvalProgress.NONE : progress;
        List<TokenPair> pairs = new ArrayList<>();
        for (int i = 0; i < questions.size(); i++) {
            heard.update(name() + ", tokens", i, questions.size());
            TaskQuestion question = questions.get(i);
            for (Sample.Request request : question.requests()) {
                pairs.add(
                        encoder.encode(
                                question.doc().place(), request.context(), request.continuation()));
            }
        }
        heard.update(name() + ", tokens", questions.size(), questions.size());
        return pairs;
    }

    private List<int[]> prompts(
            List<TaskQuestion> questions, PairEncoder encoder, int maxPositions) {
        int room = maxPositions - spec.generationKwargs().maxGenToks();
        return questions.stream()
                .map(
                        question ->
                                encoder.prompt(
                                        question.doc().place(),
                                        question.requests().get(0).context(),
                                        room))
                .toList();
    }

    /**
     * What a question took.
     *
     * @param truncated requests whose beginning was cut off
     * @param splits requests with {@link TokenPair#splitsToken}
     * @param tokens tokens that were rated or written
     */
    private record Count(int truncated, int splits, int tokens) {
        private static Count of(List<Count> counts) {
            return new Count(
                    counts.stream().mapToInt(Count::truncated).sum(),
                    counts.stream().mapToInt(Count::splits).sum(),
                    counts.stream().mapToInt(Count::tokens).sum());
        }

        private static Count of(TokenPair pair) {
            return new Count(
                    pair.isTruncated() ? 1 : 0,
                    pair.splitsToken() ? 1 : 0,
                    pair.continuation().length);
        }
    }

    /** What was found: an answer and a count a question, in order. */
    private record Found(List<TaskAnswer> answers, List<Count> counts, Timing timing) {}

    @Override
    public TaskResult run(EvalInput input, EvalSettings settings, EvalProgress progress) {
        Asked asked = ask(input.data(), settings);
        PairEncoder encoder =
                new PairEncoder(
                        input.tokenizer(), settings.questions(), input.model().maxPositions());
        Found found =
                isWritten(settings)
                        ? written(asked.questions(), encoder, input, settings, progress)
                        : rated(asked.questions(), encoder, input, settings, progress);
        return result(asked, found, encoder.addsBos(), settings);
    }

    private Found rated(
            List<TaskQuestion> questions,
            PairEncoder encoder,
            EvalInput input,
            EvalSettings settings,
            EvalProgress progress) {
        List<TokenPair> pairs = pairs(questions, encoder, progress);
        PairScorer.Scored scored =
                new PairScorer(input, settings.batchSize(), name(), progress).score(pairs);
        List<TaskAnswer> answers = new ArrayList<>();
        List<Count> counts = new ArrayList<>();
        int next = 0;
        for (TaskQuestion question : questions) {
            int to = next + question.requests().size();
            List<Rating> ratings = scored.ratings().subList(next, to);
            counts.add(Count.of(pairs.subList(next, to).stream().map(Count::of).toList()));
            answers.add(new TaskAnswer(question, ratings, Optional.empty()));
            next = to;
        }
        return new Found(answers, counts, scored.timing());
    }

    private Found written(
            List<TaskQuestion> questions,
            PairEncoder encoder,
            EvalInput input,
            EvalSettings settings,
            EvalProgress progress) {
        List<int[]> prompts = prompts(questions, encoder, input.model().maxPositions());
        BatchScorer.Scored<String> scored =
                new TextWriter(input, spec.generationKwargs())
                        .write(prompts, settings.batchSize(), name(), progress);
        List<TaskAnswer> answers = new ArrayList<>();
        List<Count> counts = new ArrayList<>();
        for (int q = 0; q < questions.size(); q++) {
            String context = questions.get(q).requests().get(0).context();
            String text = scored.scores().get(q);
            counts.add(
                    new Count(
                            encoder.length(questions.get(q).doc().place(), context)
                                            > prompts.get(q).length
                                    ? 1
                                    : 0,
                            0,
                            input.tokenizer().encode(text, false).length));
            answers.add(new TaskAnswer(questions.get(q), List.of(), Optional.of(text)));
        }
        return new Found(answers, counts, scored.timing());
    }

    private TaskResult result(Asked asked, Found found, boolean bos, EvalSettings settings) {
        List<TaskResult> members = new ArrayList<>();
        List<List<TaskScore>> scores = new ArrayList<>();
        int next = 0;
        int rotations =
                spec.outputType() == OutputType.MULTIPLE_CHOICE
                        ? settings.questions().permutations()
                        : 1;
        for (int m = 0; m < asked.data().members().size(); m++) {
            TaskData.Member member = asked.data().members().get(m);
            int docs = Math.min(settings.limit().orElse(Integer.MAX_VALUE), member.docs().size());
            int to = next + docs * rotations;
            List<TaskScore> own = new ArrayList<>();
            for (int q = next; q < to; q += rotations) {
                own.add(TaskScore.of(spec, found.answers().subList(q, q + rotations)));
            }
            scores.add(own);
            Count count = Count.of(found.counts().subList(next, to));
            members.add(
                    new TaskResult(
                            spec.member(member.subject()),
                            (int) spec.metadata().version(),
                            TaskMetrics.of(spec, own),
                            member.docs().size(),
                            docs,
                            count.tokens(),
                            config(own, count, bos, settings),
                            share(found, docs, asked.questions().size() / rotations),
                            samples(own, member, found.counts().subList(next, to)),
                            List.of(),
                            TaskQuestions.shots(spec, settings.questions()),
                            member.subject().orElse(spec.task())));
            next = to;
        }
        return spec.group().isEmpty() || only.isPresent()
                ? members.get(0)
                : group(members, scores, found, bos, settings);
    }

    private TaskResult group(
            List<TaskResult> members,
            List<List<TaskScore>> scores,
            Found found,
            boolean bos,
            EvalSettings settings) {
        List<TaskScore> all = scores.stream().flatMap(List::stream).toList();
        List<Metric> metrics = TaskMetrics.ofGroup(spec, scores);
        return new TaskResult(
                name(),
                (int) spec.metadata().version(),
                metrics,
                members.stream().mapToInt(TaskResult::originalSamples).sum(),
                all.size(),
                members.stream().mapToLong(TaskResult::scoredTokens).sum(),
                config(all, Count.of(found.counts()), bos, settings),
                found.timing(),
                List.of(),
                members,
                TaskQuestions.shots(spec, settings.questions()),
                name());
    }

    private List<Sample> samples(
            List<TaskScore> scores, TaskData.Member member, List<Count> counts) {
        int rotations = counts.size() / scores.size();
        List<Sample> samples = new ArrayList<>();
        for (int i = 0; i < scores.size(); i++) {
            Map<String, Object> tags = new LinkedHashMap<>();
            member.subject().ifPresent(subject -> tags.put("subject", subject));
            if (counts.get(i * rotations).truncated() > 0) {
                tags.put("truncated", true);
            }
            samples.add(scores.get(i).sample(spec, tags));
        }
        return samples;
    }

    /** A subject's part of the whole time, by its records: subjects are measured together. */
    private static Timing share(Found found, int docs, int all) {
        double part = (double) docs / all;
        return new Timing(
                Math.round(found.timing().processedTokens() * part),
                found.timing().seconds() * part,
                found.timing().asked(),
                found.timing().sequences());
    }

    private Map<String, Object> config(
            List<TaskScore> scores, Count count, boolean bos, EvalSettings settings) {
        QuestionSettings how = settings.questions();
        Layout layout = scores.get(0).answers().get(0).question().doc().layout();
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("task", spec.task());
        spec.group().ifPresent(group -> config.put("group", group));
        spec.datasetPath().ifPresent(path -> config.put("dataset_path", path));
        spec.datasetName().ifPresent(name -> config.put("dataset_name", name));
        config.put("output_type", word(spec.outputType()));
        config.put("split", spec.measuredSplit());
        config.put("description", spec.description());
        config.put("doc_to_text", layout.docToText().orElseThrow());
        layout.docToChoice().ifPresent(choice -> config.put("doc_to_choice", choice.toPlain()));
        config.put("doc_to_target", layout.docToTarget().orElseThrow().toPlain());
        config.put("target_delimiter", spec.targetDelimiter());
        config.put("num_fewshot", TaskQuestions.shots(spec, how));
        if (TaskQuestions.shots(spec, how) > 0) {
            config.put("fewshot_split", spec.shotSplit());
            config.put("fewshot_delimiter", spec.fewshotDelimiter());
            config.put("sampler", word(spec.fewshotConfig().sampler()));
        }
        config.put("add_bos", word(how.addBos()));
        config.put("bos", bos);
        config.put("overlong", word(how.overlong()));
        config.put("truncated_requests", count.truncated());
        if (spec.outputType() == OutputType.MULTIPLE_CHOICE) {
            config.put("scoring", word(how.scoring()));
            config.put("ties", "lowest index");
            config.put("permutations", how.permutations());
            if (!layout.options().isEmpty()) {
                config.put("answers_at_place", TaskMetrics.places(spec, scores));
            }
        }
        if (isWritten(settings)) {
            config.put("until", spec.generationKwargs().until());
            config.put("max_gen_toks", spec.generationKwargs().maxGenToks());
            config.put("filter_list", spec.filterList().stream().map(FilterSpec::name).toList());
        } else {
            config.put("split_tokens", count.splits());
        }
        if (spec.group().isPresent()) {
            config.put("stderr", "pooled within subjects; of a macro average, of their mean");
        }
        return config;
    }

    private static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }
}
