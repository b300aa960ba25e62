package dev.tegu.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.probe.ProbeDocument;
import dev.tegu.eval.probe.RecallDocuments;
import dev.tegu.eval.probe.StableRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProbeTasksTest {
    private static final CharTokenizer TOKENIZER = new CharTokenizer(true);
    private static final String NEVER = "never";

    private static FakeModel copier(String fails) {
        return new FakeModel(129, 2_048, new CopyingRule(fails));
    }

    private static TaskResult run(String task, FakeModel model, EvalSettings settings) {
        EvalInput input = new EvalInput(model, TOKENIZER, Settings.text(Settings.haystack()));
        return EvalTasks.named(task).run(input, settings, EvalProgress.NONE);
    }

    private static List<String> documents(FakeModel model) {
        return model.batches.stream()
                .flatMap(List::stream)
                .map(ids -> TOKENIZER.decode(ids, true))
                .sorted()
                .toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"needle", "recall"})
    void modelThatCopiesIsAlwaysRight(String task) {
        TaskResult result = run(task, copier(NEVER), Settings.of(task));

        assertEquals(1, result.metric("acc").value());
        assertEquals(0, result.metric("acc").standardError().getAsDouble());
    }

    @ParameterizedTest
    @ValueSource(strings = {"needle", "recall"})
    void modelThatIsUniformIsNeverRight(String task) {
        TaskResult result = run(task, FakeModel.uniform(129, 2_048), Settings.of(task));

        assertEquals(0, result.metric("acc").value());
    }

    @Test
    void accuracyIsTheShareOfDocumentsWhoseFirstQuestionIsRight() {
        String fails = "[b-k].*";
        EvalSettings settings = Settings.recall(5, 1, 8);
        StableRandom random = new StableRandom(settings.seed());
        long right =
                IntStream.range(0, 8)
                        .mapToObj(i -> RecallDocuments.generate(random.fork(i), 5, 1))
                        .map(document -> document.questions().get(0).prompt())
                        .filter(prompt -> !prompt.matches("\nWhat is the value of " + fails))
                        .count();
        assertTrue(right > 0 && right < 8, "the rule must be right and wrong: " + right);

        TaskResult result = run("recall", copier(fails), settings);

        double share = right / 8.0;
        assertEquals(share, result.metric("acc").value());
        assertEquals(
                Math.sqrt(share * (1 - share) / 7),
                result.metric("acc").standardError().getAsDouble(),
                1e-12);
    }

    @Test
    void severalQuestionsCountAsTheirShareOfADocument() {
        EvalSettings settings = Settings.recall(4, 4, 1);
        ProbeDocument document =
                RecallDocuments.generate(new StableRandom(settings.seed()).fork(0), 4, 4);
        String third = document.questions().get(2).prompt();
        String key = third.substring(third.lastIndexOf(' ') + 1, third.length() - 1);

        TaskResult result = run("recall", copier(key), settings);

        assertEquals(0.75, result.metric("acc").value());
        assertTrue(result.metric("acc").standardError().isEmpty(), "one document has no spread");
    }

    @Test
    void seedDecidesTheDocumentsAndTheLimitKeepsTheFirst() {
        FakeModel all = copier(NEVER);
        FakeModel again = copier(NEVER);
        FakeModel three = copier(NEVER);
        EvalSettings settings = Settings.of("recall");

        run("recall", all, settings);
        run("recall", again, settings);
        TaskResult limited = run("recall", three, Settings.limited(settings, 3));

        assertEquals(documents(all), documents(again));
        assertEquals(8, documents(all).stream().distinct().count());
        assertEquals(3, documents(three).size());
        assertTrue(documents(all).containsAll(documents(three)));
        assertEquals(8, limited.originalSamples());
        assertEquals(3, limited.effectiveSamples());
    }

    @Test
    void anotherSeedGivesOtherDocuments() {
        EvalSettings base = Settings.of("needle");
        EvalSettings other =
                new EvalSettings(
                        base.tasks(),
                        base.limit(),
                        base.perplexity(),
                        base.needle(),
                        base.recall(),
                        base.batchSize(),
                        8);
        FakeModel first = copier(NEVER);
        FakeModel second = copier(NEVER);

        run("needle", first, base);
        run("needle", second, other);

        assertNotEquals(documents(first), documents(second));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 100})
    void resultsDoNotDependOnTheBatchSize(int batchSize) {
        String fails = "[b-k].*";
        for (String task : List.of("needle", "recall", "perplexity")) {
            TaskResult two = run(task, copier(fails), Settings.of(task));
            FakeModel model = copier(fails);

            TaskResult other = run(task, model, Settings.batched(Settings.of(task), batchSize));

            assertEquals(two.metrics(), other.metrics(), task);
            assertEquals(two.scoredTokens(), other.scoredTokens(), task);
            assertTrue(model.batches.stream().allMatch(batch -> batch.size() <= batchSize));
        }
    }

    @Test
    void batchesHoldSequencesOfSimilarLengthLongestFirst() {
        FakeModel model = copier(NEVER);

        run("recall", model, Settings.of("recall"));

        List<Integer> lengths =
                model.batches.stream().flatMap(List::stream).map(ids -> ids.length).toList();
        List<Integer> sorted = new ArrayList<>(lengths);
        sorted.sort((a, b) -> b - a);
        assertEquals(sorted, lengths);
        assertTrue(lengths.get(0) > lengths.get(7), "the documents must differ in length");
    }

    @Test
    void progressGoesFromNoneToAllInBatches() {
        List<String> heard = new ArrayList<>();
        EvalInput input = new EvalInput(copier(NEVER), TOKENIZER, EvalData.none());

        Evaluator.run(
                input,
                Settings.recall(2, 1, 5),
                (task, done, total) -> heard.add(task + " " + done + "/" + total));

        assertEquals(List.of("recall 0/5", "recall 2/5", "recall 4/5", "recall 5/5"), heard);
    }

    @Test
    void documentLongerThanTheModelIsRefusedWithTheSettingToLower() {
        FakeModel small = new FakeModel(129, 64, new CopyingRule(NEVER));

        InvalidValueException recall =
                assertThrows(
                        InvalidValueException.class,
                        () -> run("recall", small, Settings.recall(5, 1, 1)));
        InvalidValueException needle =
                assertThrows(
                        InvalidValueException.class,
                        () -> run("needle", small, Settings.of("needle")));

        int tokens =
                1 + RecallDocuments.generate(new StableRandom(7).fork(0), 5, 1).text().length();
        assertEquals("recall.records", recall.key());
        assertEquals(
                "with 5 the longest document has "
                        + tokens
                        + " tokens and the model takes 64; lower `recall.records`",
                recall.getMessage());
        assertEquals("needle.characters", needle.key());
        assertTrue(small.batches.isEmpty(), "nothing may be scored before the check");
    }

    @Test
    void needlesStandAtEveryDepth() {
        FakeModel model = copier(NEVER);
        EvalSettings base = Settings.of("needle");
        EvalSettings settings =
                new EvalSettings(
                        base.tasks(),
                        base.limit(),
                        base.perplexity(),
                        new NeedleSettings(500, 40, List.of()),
                        base.recall(),
                        base.batchSize(),
                        base.seed());

        run("needle", model, settings);

        int[] quarters = new int[4];
        for (String text : documents(model)) {
            int before = text.indexOf("The special magic");
            int after = text.lastIndexOf('\n') - text.indexOf(". ", before);
            quarters[4 * before / (before + after)]++;
        }
        for (int count : quarters) {
            assertTrue(
                    count >= 7 && count <= 13,
                    "of 40 needles each quarter should hold about 10: " + count);
        }
    }

    /** A model that sees 40 characters back is right within them and wrong beyond. */
    @Test
    void accuracyBeyondADistanceLeavesOutWhatAWindowSees() {
        EvalSettings base = Settings.recall(5, 5, 8);
        EvalSettings settings =
                new EvalSettings(
                        base.tasks(),
                        base.limit(),
                        base.perplexity(),
                        base.needle(),
                        new RecallSettings(5, 5, 8, List.of(1, 40)),
                        base.batchSize(),
                        base.seed());
        CopyingRule copying = new CopyingRule(NEVER);
        FakeModel.Rule window =
                new FakeModel.Rule() {
                    @Override
                    public double probability(int[] prefix, int next) {
                        return copying.probability(prefix, next);
                    }

                    @Override
                    public int best(int[] prefix) {
                        String text = TOKENIZER.decode(prefix, true);
                        int question = text.lastIndexOf("What is the value of ");
                        if (question < 0) {
                            return 0;
                        }
                        String key = text.substring(question + 21).split("\\?", 2)[0];
                        int fact = text.indexOf('\n', text.indexOf("\n" + key + ":") + 1);
                        int asked = question + 21 + key.length() + 1;
                        return asked - fact >= 40 ? 0 : copying.best(prefix);
                    }
                };

        TaskResult result = run("recall", new FakeModel(129, 2_048, window), settings);

        assertEquals(result.metric("acc").value(), result.metric("acc_beyond_1").value());
        assertTrue(result.metric("acc").value() > 0);
        assertEquals(0, result.metric("acc_beyond_40").value());
    }

    @Test
    void distanceThatNoQuestionReachesIsRefused() {
        EvalSettings base = Settings.recall(5, 1, 8);
        EvalSettings settings =
                new EvalSettings(
                        base.tasks(),
                        base.limit(),
                        base.perplexity(),
                        base.needle(),
                        new RecallSettings(5, 1, 8, List.of(5_000)),
                        base.batchSize(),
                        base.seed());

        InvalidValueException error =
                assertThrows(
                        InvalidValueException.class, () -> run("recall", copier(NEVER), settings));

        assertEquals("recall.beyond", error.key());
    }

    @Test
    void needleSaysWhatToDoWhenTheTextIsTooShort() {
        EvalInput input =
                new EvalInput(copier(NEVER), TOKENIZER, Settings.text("One. Two. Three."));

        InvalidValueException error =
                assertThrows(
                        InvalidValueException.class,
                        () -> Evaluator.run(input, Settings.of("needle"), EvalProgress.NONE));

        assertEquals("needle.characters", error.key());
    }

    @Test
    void missingTextIsFoundBeforeTheFirstTaskRuns() {
        FakeModel model = copier(NEVER);
        EvalInput input = new EvalInput(model, TOKENIZER, EvalData.none());

        IllegalArgumentException error =
                assertThrows(
                        IllegalArgumentException.class,
                        () ->
                                Evaluator.run(
                                        input, Settings.of("recall", "needle"), EvalProgress.NONE));

        assertTrue(error.getMessage().startsWith("task `needle` needs text"));
        assertTrue(model.batches.isEmpty());
    }

    @Test
    void documentsOfALengthFillItAndTakeTurns() {
        EvalSettings base = Settings.of("needle");
        EvalSettings settings =
                new EvalSettings(
                        List.of("needle", "recall"),
                        base.limit(),
                        base.perplexity(),
                        new NeedleSettings(200, 4, List.of(), List.of(400, 700)),
                        new RecallSettings(5, 2, 4, List.of(), List.of(400, 700)),
                        base.batchSize(),
                        base.seed());

        for (String task : settings.tasks()) {
            TaskResult result = run(task, copier(NEVER), settings);

            assertEquals(1.0, result.metric("acc").value());
            assertEquals(8, result.originalSamples());
            assertEquals(
                    List.of(400, 700, 400, 700, 400, 700, 400, 700),
                    result.samples().stream().map(s -> s.tags().get("length")).toList());
            for (Sample sample : result.samples()) {
                int length = (int) sample.tags().get("length");
                int tokens = (int) sample.tags().get("tokens");
                assertTrue(tokens <= length && tokens > length - 60, task + ": " + tokens);
            }
            RecallGrid grid = RecallGrid.of(result.samples()).orElseThrow();
            assertEquals(List.of(400, 700), grid.lengths());
        }
    }

    @Test
    void lengthsThatHoldNothingAreRefused() {
        for (String task : List.of("needle", "recall")) {
            for (int length : List.of(40, 5_000)) {
                EvalSettings base = Settings.of(task);
                EvalSettings settings =
                        new EvalSettings(
                                base.tasks(),
                                base.limit(),
                                base.perplexity(),
                                new NeedleSettings(200, 4, List.of(), List.of(length)),
                                new RecallSettings(5, 2, 4, List.of(), List.of(length)),
                                base.batchSize(),
                                base.seed());

                InvalidValueException error =
                        assertThrows(
                                InvalidValueException.class,
                                () -> run(task, copier(NEVER), settings));

                assertEquals(task + ".lengths", error.key());
            }
        }
    }
}
