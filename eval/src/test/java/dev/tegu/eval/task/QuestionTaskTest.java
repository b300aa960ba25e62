package dev.tegu.eval.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.AnswerCache;
import dev.tegu.eval.AnswerKey;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalProgress;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.EvalTasks;
import dev.tegu.eval.NeedleSettings;
import dev.tegu.eval.PerplexitySettings;
import dev.tegu.eval.RecallSettings;
import dev.tegu.eval.Sample;
import dev.tegu.eval.TaskResult;
import dev.tegu.eval.task.QuestionSettings.AddBos;
import dev.tegu.eval.task.QuestionSettings.Overlong;
import dev.tegu.eval.task.QuestionSettings.Scoring;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a task makes of a model's answers, on models whose answers are known. */
class QuestionTaskTest {
    private static final int LONG = 4_000;

    @TempDir private Path folder;

    private static EvalSettings settings(
            String task, Optional<Integer> limit, QuestionSettings how) {
        return new EvalSettings(
                List.of(task),
                limit,
                new PerplexitySettings(16, 16),
                new NeedleSettings(100, 1, List.of()),
                new RecallSettings(1, 1, 1, List.of()),
                4,
                0,
                how);
    }

    private EvalInput input(LetterModel model, boolean bos, AnswerCache cache) {
        EvalData data = new EvalData(List.of(), Optional.of(folder));
        return new EvalInput(model, new ByteTokenizer(bos), data, cache);
    }

    private TaskResult run(LetterModel model, String task, QuestionSettings how) {
        return EvalTasks.named(task)
                .run(
                        input(model, false, AnswerCache.none()),
                        settings(task, Optional.empty(), how),
                        EvalProgress.NONE);
    }

    /** Writes the letter that the last question's option `yes` stands at. */
    private static String knowing(String text) {
        String question = text.substring(Math.max(0, text.lastIndexOf("Q ")));
        for (char letter = 'A'; letter <= 'D'; letter++) {
            if (question.contains(letter + ". yes\n")) {
                return next(text, " " + letter + "\n");
            }
        }
        return "?";
    }

    private static String next(String text, String answer) {
        if (!text.contains("Answer:")) {
            return "?";
        }
        String written = text.substring(text.lastIndexOf("Answer:") + "Answer:".length());
        return answer.substring(Math.min(written.length(), answer.length() - 1));
    }

    private static LetterModel always(String letter) {
        return new LetterModel(LONG, text -> next(text, " " + letter + "\n"));
    }

    /** Eight questions, whose right option stands at each letter twice, in two subjects. */
    private void writeQuiz() {
        List<String> orders = List.of("yes,b,c,d", "a,yes,c,d", "a,b,yes,d", "a,b,c,yes");
        StringBuilder maps = new StringBuilder();
        for (int q = 0; q < 6; q++) {
            maps.append("Q ").append(q).append("?,").append(orders.get(q % 4)).append(',');
            maps.append("ABCD".charAt(q % 4)).append('\n');
        }
        Asking.write(folder, "test/maps_test.csv", maps.toString());
        Asking.write(folder, "test/rocks_test.csv", "Q 6?,a,b,yes,d,C\nQ 7?,a,b,c,yes,D\n");
        for (String subject : List.of("maps", "rocks")) {
            Asking.write(folder, "dev/" + subject + "_dev.csv", "Dev?,a,b,c,d,A\n".repeat(5));
        }
    }

    private static double value(TaskResult result, String metric) {
        return result.metric(metric).value();
    }

    @Test
    void aModelThatKnowsIsRightInEveryOrder() {
        writeQuiz();

        for (Scoring scoring : Scoring.values()) {
            String name = scoring == Scoring.GENERATE ? "exact_match" : "acc";
            TaskResult result =
                    run(
                            new LetterModel(LONG, QuestionTaskTest::knowing),
                            "quiz",
                            Asking.rotated(scoring, 4));

            assertEquals(1, value(result, name));
            for (int r = 0; r < 4; r++) {
                assertEquals(1, value(result, name + "_rotation_" + r));
            }
            assertEquals(1, value(result, name + "_rotated"));
            assertEquals(1, value(result, "consistency"));
            assertEquals(0, value(result, "position_bias"), 1e-12);
            assertEquals(
                    Map.of("A", 0.25, "B", 0.25, "C", 0.25, "D", 0.25),
                    result.config().get("answers_at_place"));
        }
    }

    @Test
    void turningManyTextsIntoTokensIsTold() {
        Asking.write(folder, "test/maps_test.csv", "Q?,yes,b,c,d,A\n".repeat(QuestionTask.MANY));
        List<String> heard = new ArrayList<>();

        EvalTasks.named("quiz")
                .run(
                        input(always("A"), false, AnswerCache.none()),
                        settings("quiz", Optional.empty(), Asking.shots(0)),
                        (task, done, total) -> heard.add(task + " " + done + " of " + total));

        assertEquals("quiz, tokens 0 of 2000", heard.get(0));
        assertTrue(heard.contains("quiz, tokens 2000 of 2000"));
        assertTrue(heard.get(heard.size() - 1).startsWith("quiz "), heard.toString());
    }

    @Test
    void aModelThatAlwaysAnswersTheSameIsFoundOut() {
        writeQuiz();

        for (Scoring scoring : Scoring.values()) {
            String name = scoring == Scoring.GENERATE ? "exact_match" : "acc";
            TaskResult result = run(always("A"), "quiz", Asking.rotated(scoring, 4));

            assertEquals(0.25, value(result, name));
            assertEquals(0.25, value(result, name + "_rotated"));
            assertEquals(0, value(result, "consistency"));
            assertEquals(0.75, value(result, "position_bias"), 1e-12);
            assertEquals(
                    Map.of("A", 1.0, "B", 0.0, "C", 0.0, "D", 0.0),
                    result.config().get("answers_at_place"));
            Sample first = result.subtasks().get(0).samples().get(0);
            assertEquals(List.of(0, 0, 0, 0), first.tags().get("places"));
            assertEquals("maps", first.tags().get("subject"));
        }
    }

    @Test
    void anAnswerThatIsNoLetterIsWrongAndCounted() {
        writeQuiz();
        LetterModel model = always("Because A");

        TaskResult result = run(model, "quiz", Asking.rotated(Scoring.GENERATE, 1));

        assertEquals(0, value(result, "exact_match"));
        assertEquals(1.0, ((Map<?, ?>) result.config().get("answers_at_place")).get("none"));
        assertEquals(List.of(" Because"), result.subtasks().get(0).samples().get(0).responses());
        assertThrows(IllegalArgumentException.class, () -> result.metric("acc"));
    }

    @Test
    void aQuestionWithLettersIsOneRowAndOthersOneAnAnswer() {
        writeQuiz();
        LetterModel quiz = always(" A");
        run(quiz, "quiz", Asking.shots(1));
        Asking.write(
                folder,
                "arc_easy.jsonl",
                "{\"query\": \"q\", \"choices\": [\"one\", \"two\", \"six\"], \"gold\": 1}\n");
        LetterModel arc = new LetterModel(LONG, text -> " ");
        run(arc, "arc_easy", QuestionSettings.DEFAULTS);

        // The bytes of " A" are two: a tokenizer with letters as one token has one row.
        assertEquals(32, quiz.sequences.size());
        assertEquals(3, arc.sequences.size());
        String spaceless = "{\"query\": \"q\", \"choices\": [\"x\", \"y\"], \"gold\": 1}\n";
        Asking.write(folder, "own/items.jsonl", spaceless);
        LetterModel own = new LetterModel(LONG, text -> "y");
        TaskResult result = run(own, letters("{{query}}"), QuestionSettings.DEFAULTS);
        assertEquals(1, own.contexts.size());
        assertEquals(0, own.sequences.size());
        assertEquals(1, value(result, "acc"));
        assertEquals(
                List.of(
                        List.of((double) (float) LetterModel.OTHER, false),
                        List.of((double) (float) LetterModel.KNOWN, true)),
                result.samples().get(0).responses());
    }

    /** A user's task, its answers directly behind the question. */
    private String letters(String question) {
        return Asking.write(
                        folder,
                        "own/letters.yaml",
                        """
                        task: letters
                        output_type: multiple_choice
                        files: {test: [items.jsonl]}
                        test_split: test
                        doc_to_text: "%s"
                        doc_to_choice: choices
                        doc_to_target: gold
                        target_delimiter: ""
                        metric_list: [{metric: acc}]
                        """
                                .formatted(question))
                .toString();
    }

    @Test
    void aTaskMayLetTheModelWrite() {
        Asking.write(
                folder,
                "own/items.jsonl",
                "{\"q\": \"Q 1\", \"a\": \"yes, it is\"}\n{\"q\": \"Q 2\", \"a\": \"no\"}\n");
        String task =
                Asking.write(
                                folder,
                                "own/writing.yaml",
                                """
                                task: writing
                                output_type: generate_until
                                files: {test: [items.jsonl]}
                                test_split: test
                                doc_to_text: "{{q}}\\nAnswer:"
                                doc_to_target: a
                                generation_kwargs: {until: ["."], max_gen_toks: 20}
                                filter_list:
                                  - {name: n, filter: [{function: remove_whitespace}]}
                                metric_list:
                                  - {metric: exact_match, ignore_case: true, ignore_punctuation: true}
                                """)
                        .toString();

        TaskResult result =
                run(
                        new LetterModel(LONG, text -> next(text, " YES: it is. And")),
                        task,
                        QuestionSettings.DEFAULTS);

        assertEquals(0.5, value(result, "exact_match"));
        Sample first = result.samples().get(0);
        assertEquals(List.of(" YES: it is"), first.responses());
        assertEquals("yes, it is", first.target());
        assertEquals(
                Map.of("until", List.of("."), "max_gen_toks", 20),
                first.requests().get(0).generation());
    }

    @Test
    void spacesBeforeTheAnswerAreTheAnswers() {
        Asking.write(
                folder,
                "own/items.jsonl",
                "{\"query\": \"q\", \"choices\": [\"x\", \"y\"], \"gold\": 1}\n");
        LetterModel model = new LetterModel(LONG, text -> text.endsWith(" ") ? "y" : " ");

        run(model, letters("{{query}} "), QuestionSettings.DEFAULTS);

        assertEquals(2, model.sequences.size());
        assertEquals("q x", new ByteTokenizer(false).decode(model.sequences.get(0), true));
    }

    @Test
    void limitIsOfEachSubjectAndAveragesAreMicroAndMacro() {
        writeQuiz();
        EvalSettings limited = settings("quiz", Optional.of(4), Asking.shots(0));

        TaskResult result =
                EvalTasks.named("quiz")
                        .run(
                                input(always("C"), false, AnswerCache.none()),
                                limited,
                                EvalProgress.NONE);

        assertEquals(8, result.originalSamples());
        assertEquals(6, result.effectiveSamples());
        assertEquals(List.of("quiz_maps", "quiz_rocks"), names(result));
        assertEquals(1 / 4.0, value(result.subtasks().get(0), "acc"));
        assertEquals(1 / 2.0, value(result.subtasks().get(1), "acc"));
        assertEquals(2 / 6.0, value(result, "acc"), 1e-12);
        assertEquals(3 / 8.0, value(result, "acc_macro"), 1e-12);
        // Errors 0.25 of 4 and 0.5 of 2: variances 0.25 and 0.5 within, 3 and 1 degrees of freedom.
        double pooled = Math.sqrt((3 * 0.25 + 1 * 0.5) / 4 / 6);
        assertEquals(pooled, result.metric("acc").standardError().orElseThrow(), 1e-12);
        double macro = Math.sqrt(0.25 * 0.25 + 0.5 * 0.5) / 2;
        assertEquals(macro, result.metric("acc_macro").standardError().orElseThrow(), 1e-12);
    }

    private static List<String> names(TaskResult result) {
        return result.subtasks().stream().map(TaskResult::task).toList();
    }

    @Test
    void aSubjectAloneIsATaskOfItsOwn() {
        writeQuiz();

        TaskResult result = run(always("C"), "quiz_rocks", Asking.shots(0));

        assertEquals("quiz_rocks", result.task());
        assertEquals(List.of(), result.subtasks());
        assertEquals(2, result.samples().size());
        assertEquals(0.5, value(result, "acc"));
    }

    private void writeLambada() {
        Asking.write(
                folder,
                "lambada_test.jsonl",
                "{\"text\": \"0123456789 end\"}\n{\"text\": \"so it ends\"}\n");
    }

    private static String end(String text) {
        return " end".substring(Math.max(0, "end".length() - wanting(text)));
    }

    /** Letters of " end" that a text still lacks, less one. */
    private static int wanting(String text) {
        for (int n = 3; n > 0; n--) {
            if (text.endsWith(" end".substring(0, n))) {
                return 3 - n;
            }
        }
        return 3;
    }

    @Test
    void lambadaCountsWhatIsWrittenToTheLetter() {
        writeLambada();

        TaskResult result =
                run(
                        new LetterModel(LONG, QuestionTaskTest::end),
                        "lambada_openai",
                        QuestionSettings.DEFAULTS);

        double first = 4 * (float) LetterModel.KNOWN;
        double second = first + (float) LetterModel.OTHER;
        assertEquals(1, result.samples().get(0).metrics().get("acc"));
        assertEquals(0, result.samples().get(1).metrics().get("acc"));
        assertEquals(first, result.samples().get(0).metrics().get("perplexity"), 1e-6);
        assertEquals(Math.exp(-(first + second) / 2), value(result, "perplexity"), 1e-4);
        assertFalse(result.metric("perplexity").higherIsBetter());
        assertEquals("acc", result.metrics().get(0).name());
    }

    private static QuestionSettings how(AddBos bos, Overlong overlong) {
        return new QuestionSettings(
                Optional.empty(), Optional.empty(), bos, Scoring.LIKELIHOOD, 1, overlong);
    }

    @Test
    void whatIsTooLongLosesItsBeginningAndIsCounted() {
        writeLambada();
        LetterModel model = new LetterModel(10, QuestionTaskTest::end);

        TaskResult result = run(model, "lambada_openai", QuestionSettings.DEFAULTS);

        assertEquals(
                List.of("456789 end", "so it ends"),
                model.sequences.stream()
                        .map(ids -> new ByteTokenizer(false).decode(ids, true))
                        .toList());
        assertEquals(1, result.config().get("truncated_requests"));
        assertEquals(true, result.samples().get(0).tags().get("truncated"));
        InvalidValueException error =
                assertThrows(
                        InvalidValueException.class,
                        () -> run(model, "lambada_openai", how(AddBos.AUTO, Overlong.REFUSE)));
        assertEquals("overlong", error.key());
        assertTrue(
                error.getMessage()
                        .endsWith(
                                "lambada_test.jsonl:1: the prompt has 10 tokens, and the model has"
                                        + " room for 6; give fewer shots with `num_fewshot`, or"
                                        + " `truncate`"),
                error.getMessage());
    }

    @Test
    void aWrittenAnswerNeedsRoomToo() {
        writeQuiz();
        LetterModel model = new LetterModel(60, text -> " A");

        TaskResult result = run(model, "quiz", Asking.rotated(Scoring.GENERATE, 1));

        assertTrue(model.contexts.stream().allMatch(ids -> ids.length == 52));
        assertEquals(8, result.config().get("truncated_requests"));
    }

    @Test
    void bosIsAsTheTokenizerDoesOrAsOneSays() {
        writeLambada();
        Map<String, Integer> firsts = new HashMap<>();
        for (boolean habit : new boolean[] {false, true}) {
            for (AddBos bos : AddBos.values()) {
                LetterModel model = new LetterModel(LONG, QuestionTaskTest::end);
                TaskResult result =
                        EvalTasks.named("lambada_openai")
                                .run(
                                        input(model, habit, AnswerCache.none()),
                                        settings(
                                                "lambada_openai",
                                                Optional.empty(),
                                                how(bos, Overlong.TRUNCATE)),
                                        EvalProgress.NONE);
                boolean begins = model.sequences.get(0)[0] == 0;
                firsts.put(habit + " " + bos, begins ? 1 : 0);
                assertEquals(begins, result.config().get("bos"));
            }
        }
        assertEquals(
                Map.of(
                        "false AUTO", 0,
                        "false TRUE", 1,
                        "false FALSE", 0,
                        "true AUTO", 1,
                        "true TRUE", 1,
                        "true FALSE", 0),
                firsts);
    }

    @Test
    void anEmptyContextIsOneMark() {
        Asking.write(folder, "lambada_test.jsonl", "{\"text\": \"end\"}\n{\"text\": \"of\"}\n");
        LetterModel model = new LetterModel(LONG, QuestionTaskTest::end);

        run(model, "lambada_openai", QuestionSettings.DEFAULTS);

        assertTrue(model.sequences.stream().allMatch(ids -> ids[0] == 0));
        assertEquals(" end", new ByteTokenizer(false).decode(model.sequences.get(0), true));
    }

    @Test
    void knownAnswersAreNotAskedAgain() {
        writeQuiz();
        Map<AnswerKey, List<double[]>> kept = new HashMap<>();
        AnswerCache cache =
                new AnswerCache() {
                    @Override
                    public Optional<List<double[]>> find(AnswerKey batch) {
                        return Optional.ofNullable(kept.get(batch));
                    }

                    @Override
                    public void put(AnswerKey batch, List<double[]> answers) {
                        kept.put(batch, answers);
                    }
                };
        for (Scoring scoring : Scoring.values()) {
            EvalSettings settings = settings("quiz", Optional.empty(), Asking.rotated(scoring, 2));
            TaskResult first =
                    EvalTasks.named("quiz")
                            .run(input(always("B"), false, cache), settings, EvalProgress.NONE);
            LetterModel again = always("C");

            TaskResult second =
                    EvalTasks.named("quiz")
                            .run(input(again, false, cache), settings, EvalProgress.NONE);

            assertEquals(0, again.contexts.size() + again.sequences.size());
            assertEquals(first.metrics(), second.metrics());
        }
    }

    @Test
    void checkFindsWhatRunWouldRefuse() {
        writeQuiz();
        QuestionSettings many = Asking.shots(6);

        InvalidValueException error =
                assertThrows(
                        InvalidValueException.class,
                        () ->
                                EvalTasks.named("quiz")
                                        .check(
                                                new ByteTokenizer(false),
                                                new EvalData(List.of(), Optional.of(folder)),
                                                settings("quiz", Optional.empty(), many),
                                                LONG));

        assertEquals("num_fewshot", error.key());
        assertEquals("task `quiz_maps` has 5 solved examples, asked for 6", error.getMessage());
    }
}
