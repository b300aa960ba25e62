package dev.tegu.eval.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
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
import dev.tegu.eval.task.QuestionSettings.Scoring;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.StudentConfig;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Item by item against {@link NaiveScores}, on a model of a few thousand weights. */
class QuestionScoresTest {
    private static final ByteTokenizer TOKENIZER = new ByteTokenizer(true);
    private static final double NEAR = 1e-4;
    private static final List<String> WORDS =
            List.of("tea", "Übermut", "a b", "naïve", "x", "roof, red", "日本", "no.");

    @TempDir private Path folder;
    private DecoderModel model;
    private NaiveScores naive;

    @BeforeEach
    void load() throws IOException {
        model = model("teacher");
        naive = new NaiveScores(model, TOKENIZER);
    }

    @AfterEach
    void close() {
        model.close();
    }

    private static DecoderModel model(String kind) throws IOException {
        ObjectNode config =
                TinyModels.config(false)
                        .put("vocab_size", TOKENIZER.vocabSize())
                        .put("max_position_embeddings", 400);
        if (kind.equals("student")) {
            config =
                    StudentConfig.of(
                            config,
                            "test",
                            TinyModels.spec(
                                    "{feature_map: {kind: hedgehog, feature_dim: 4}, window:"
                                            + " {size: 16}, linear_scope: outside_window,"
                                            + " combine: shared_denominator}"));
        }
        DecoderModel model = TinyModels.random(config, 4);
        TinyModels.disturb(model);
        return model;
    }

    static EvalSettings settings(String task, QuestionSettings how, int batchSize) {
        return new EvalSettings(
                List.of(task),
                Optional.empty(),
                new PerplexitySettings(16, 16),
                new NeedleSettings(100, 1, List.of()),
                new RecallSettings(1, 1, 1, List.of()),
                batchSize,
                0,
                how);
    }

    private TaskResult run(DecoderModel of, String task, QuestionSettings how, int batchSize) {
        EvalData data = new EvalData(List.of(), Optional.of(folder));
        return EvalTasks.named(task)
                .run(
                        new EvalInput(of, TOKENIZER, data),
                        settings(task, how, batchSize),
                        EvalProgress.NONE);
    }

    private TaskResult run(String task) {
        return run(model, task, QuestionSettings.DEFAULTS, 3);
    }

    private void writeArc(int questions) {
        SplittableRandom random = new SplittableRandom(5);
        StringBuilder lines = new StringBuilder();
        for (int q = 0; q < questions; q++) {
            int first = random.nextInt(WORDS.size());
            List<String> choices =
                    IntStream.range(0, 3 + q % 2)
                            .mapToObj(i -> WORDS.get((first + i) % WORDS.size()))
                            .toList();
            lines.append(
                    String.format(
                            Locale.ROOT,
                            "{\"query\": \"Question: %s %d?\", \"choices\": [\"%s\"],"
                                    + " \"gold\": %d}%n",
                            "w ".repeat(random.nextInt(12)),
                            q,
                            String.join("\", \"", choices),
                            random.nextInt(3)));
        }
        Asking.write(folder, "arc_easy.jsonl", lines.toString());
    }

    private void writeQuiz() {
        Asking.write(folder, "quiz/dev/maps_dev.csv", "Dev?,a,b,c,d,A\nTwo?,e,f,g,h,B\n".repeat(3));
        StringBuilder test = new StringBuilder();
        for (int q = 0; q < 6; q++) {
            test.append("Q ").append("x".repeat(q)).append("?,tea,roof,no,yes,");
            test.append("ABCD".charAt(q % 4)).append('\n');
        }
        Asking.write(folder, "quiz/test/maps_test.csv", test.toString());
    }

    private static double logProb(Sample sample, int index) {
        return (Double) ((List<?>) sample.responses().get(index)).get(0);
    }

    private static boolean isGreedy(Sample sample, int index) {
        return (Boolean) ((List<?>) sample.responses().get(index)).get(1);
    }

    private List<Double> naiveLogProbs(Sample sample) {
        return sample.requests().stream()
                .map(request -> naive.logProb(request.context(), request.continuation()))
                .toList();
    }

    private void assertItemsEqual(Sample sample, List<Double> expected) {
        for (int i = 0; i < expected.size(); i++) {
            assertEquals(expected.get(i), logProb(sample, i), NEAR);
            Sample.Request request = sample.requests().get(i);
            assertEquals(
                    naive.isGreedy(request.context(), request.continuation()), isGreedy(sample, i));
        }
    }

    @Test
    void likelihoodNormedByNothingCharactersAndBytes() {
        writeArc(8);

        TaskResult result = run("arc_easy");

        assertEquals(8, result.samples().size());
        int differing = 0;
        for (Sample sample : result.samples()) {
            List<Double> logProbs = naiveLogProbs(sample);
            assertItemsEqual(sample, logProbs);
            List<String> choices = DocText.list(sample.doc().get("choices"));
            for (String metric : List.of("acc", "acc_norm", "acc_bytes")) {
                int best = NaiveScores.argmax(logProbs, choices, metric);
                double right = best == (Integer) sample.doc().get("gold") ? 1 : 0;
                assertEquals(right, sample.metrics().get(metric), metric);
            }
            differing +=
                    NaiveScores.argmax(logProbs, choices, "acc")
                                    != NaiveScores.argmax(logProbs, choices, "acc_norm")
                            ? 1
                            : 0;
        }
        assertTrue(differing > 0, "the norm must matter somewhere");
        double mean =
                result.samples().stream()
                        .mapToDouble(sample -> sample.metrics().get("acc_norm"))
                        .average()
                        .orElseThrow();
        assertEquals(mean, result.metric("acc_norm").value(), 1e-12);
    }

    @Test
    void singleTokensOfOneForwardPass() {
        writeQuiz();

        TaskResult result = run(model, "quiz", Asking.shots(2), 4);

        TaskResult maps = result.subtasks().get(0);
        assertEquals(2, maps.shots());
        for (Sample sample : maps.samples()) {
            List<Double> logProbs = naiveLogProbs(sample);
            assertItemsEqual(sample, logProbs);
            int best = NaiveScores.argmax(logProbs, List.of("A", "B", "C", "D"), "acc");
            assertEquals(
                    best == Integer.parseInt(sample.target()) ? 1 : 0, sample.metrics().get("acc"));
        }
    }

    @Test
    void winograndeRatesTheSameWordsAfterTwoContexts() {
        Asking.write(
                folder,
                "winogrande.jsonl",
                """
                {"context_options": ["The cup and so the cup", "The cup and so the box"], "continuation": "broke", "gold": 0}
                {"context_options": ["Ann told Sue that Ann", "Ann told Sue that Sue"], "continuation": "won.", "gold": 1}
                """);

        for (Sample sample : run("winogrande").samples()) {
            List<Double> logProbs = naiveLogProbs(sample);
            assertItemsEqual(sample, logProbs);
            int gold = (Integer) sample.doc().get("gold");
            double right = NaiveScores.argmax(logProbs, List.of("", ""), "acc") == gold ? 1 : 0;
            assertEquals(right, sample.metrics().get("acc"));
        }
    }

    @Test
    void lambadaIsGreedyOrNotAndAPerplexity() {
        Asking.write(
                folder,
                "lambada_test.jsonl",
                "{\"text\": \"one two three\"}\n{\"text\": \"so it w\"}\n");

        TaskResult result = run("lambada_openai");

        double sum = 0;
        for (Sample sample : result.samples()) {
            List<Double> logProbs = naiveLogProbs(sample);
            assertItemsEqual(sample, logProbs);
            assertEquals(logProbs.get(0), sample.metrics().get("perplexity"), NEAR);
            sum += logProbs.get(0);
        }
        double perplexity = Math.exp(-sum / 2);
        assertEquals(perplexity, result.metric("perplexity").value(), NEAR * perplexity);
    }

    @Test
    void writtenAnswersAreThoseOfGreedyDecoding() {
        writeQuiz();

        TaskResult result = run(model, "quiz", Asking.rotated(Scoring.GENERATE, 1), 4);

        for (Sample sample : result.subtasks().get(0).samples()) {
            String text = naive.write(sample.requests().get(0).context(), 8);
            assertEquals(List.of(text), sample.responses());
            boolean right =
                    text.matches(
                            "\\s*\\(?"
                                    + "ABCD".charAt(Integer.parseInt(sample.target()))
                                    + "\\b.*");
            assertEquals(right ? 1.0 : 0.0, sample.metrics().get("exact_match"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"teacher", "student"})
    void batchSizeDoesNotMatter(String kind) throws IOException {
        writeArc(9);
        writeQuiz();
        try (DecoderModel of = model(kind)) {
            for (String task : List.of("arc_easy", "quiz_maps")) {
                List<Sample> one = run(of, task, QuestionSettings.DEFAULTS, 1).samples();
                for (int batchSize : new int[] {2, 7, 1_000}) {
                    List<Sample> many =
                            run(of, task, QuestionSettings.DEFAULTS, batchSize).samples();
                    for (int i = 0; i < one.size(); i++) {
                        for (int c = 0; c < one.get(i).requests().size(); c++) {
                            assertEquals(logProb(one.get(i), c), logProb(many.get(i), c), 1e-5);
                        }
                        assertEquals(one.get(i).metrics(), many.get(i).metrics());
                    }
                }
            }
        }
    }

    @Test
    void scoringLeavesNoArrayBehind() {
        writeQuiz();
        run("quiz");
        int before = model.manager().getManagedArrays().size();

        run("quiz");

        assertEquals(before, model.manager().getManagedArrays().size());
    }
}
