package dev.tegu.eval.recall;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigException;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.CharTokenizer;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalProgress;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.EvalTasks;
import dev.tegu.eval.FakeModel;
import dev.tegu.eval.Sample;
import dev.tegu.eval.TaskResult;
import dev.tegu.eval.probe.StableRandom;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MqarTaskTest {
    private static final CharTokenizer CHARACTERS = new CharTokenizer(true);

    private static EvalSettings settings(String mqar) {
        return ConfigBinder.bind(
                ConfigNode.parse("{tasks: [mqar], mqar: {" + mqar + "}, batch_size: 3}", "test"),
                EvalSettings.class);
    }

    private static TaskResult run(FakeModel model, EvalSettings settings) {
        return EvalTasks.named("mqar")
                .run(
                        new EvalInput(model, CHARACTERS, EvalData.none()),
                        settings,
                        EvalProgress.NONE);
    }

    /** The token behind the last place before where the last token stands, within a window. */
    private static FakeModel reader(int window) {
        return new FakeModel(
                129,
                600,
                new FakeModel.Rule() {
                    @Override
                    public double probability(int[] prefix, int next) {
                        return best(prefix) == next ? 0.9 : 0.1 / 128;
                    }

                    @Override
                    public int best(int[] prefix) {
                        int last = prefix.length - 1;
                        for (int t = Math.max(0, last + 1 - window); t < last; t++) {
                            if (prefix[t] == prefix[last]) {
                                return prefix[t + 1];
                            }
                        }
                        return 0;
                    }
                });
    }

    @ParameterizedTest
    @CsvSource({"64, 4, 129, false", "64, 16, 129, true", "128, 32, 8192, false"})
    @DisplayName("pairs first, every key once more at an even place, its value not behind it")
    void sequenceIsZoologys(int length, int pairs, int vocabulary, boolean isRandom) {
        for (int seed = 0; seed < 50; seed++) {
            MqarSequence sequence =
                    MqarSequence.of(
                            new StableRandom(seed), length, pairs, vocabulary, 0.01, isRandom);
            int[] ids = sequence.ids();
            Set<Integer> keys = new HashSet<>();
            Set<Integer> values = new HashSet<>();
            for (int i = 0; i < pairs; i++) {
                keys.add(ids[2 * i]);
                values.add(ids[2 * i + 1]);
                int query = sequence.queries().get(i);
                assertEquals(ids[2 * i], ids[query]);
                assertEquals(0, query % 2);
                assertTrue(query >= 2 * pairs && query <= length - 2);
                assertEquals(query - 2 * i - 1, sequence.distance(i));
                assertEquals(ids[2 * i + 1], sequence.value(i));
            }
            assertEquals(length, ids.length);
            assertEquals(pairs, keys.size());
            assertEquals(pairs, values.size());
            assertEquals(pairs, new HashSet<>(sequence.queries()).size());
            assertTrue(keys.stream().allMatch(k -> k >= 1 && k < vocabulary / 2));
            assertTrue(values.stream().allMatch(v -> v >= vocabulary / 2 && v < vocabulary));
            long filler =
                    IntStream.range(2 * pairs, length)
                            .filter(t -> !sequence.queries().contains(t) && ids[t] == 0)
                            .count();
            assertTrue(isRandom ? filler < 10 : filler == length - 3 * pairs, "zeros: " + filler);
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.01, 0.5, 1.0})
    @DisplayName("gaps follow the power law, the second drawn without the first's place")
    void gapsFollowThePowerLaw(double power) {
        int places = 14;
        int pairs = 2;
        int draws = 20_000;
        double[] first = new double[places];
        double[] second = new double[places];
        for (int i = 0; i < draws; i++) {
            MqarSequence sequence =
                    MqarSequence.of(
                            new StableRandom(3).fork(i),
                            2 * (pairs + places),
                            pairs,
                            64,
                            power,
                            false);
            first[(sequence.queries().get(0) - 2 * pairs) / 2]++;
            second[(sequence.queries().get(1) - 2 * pairs) / 2]++;
        }
        double[] p = law(places, power);
        double[] q = new double[places];
        for (int i = 0; i < places; i++) {
            for (int j = 0; j < places; j++) {
                q[j] += i == j ? 0 : p[i] * p[j] / (1 - p[i]);
            }
        }
        // 99.9 percent of a chi-square with 13 degrees of freedom lie below 34.5
        assertTrue(chiSquare(first, p, draws) < 34.5, "first " + chiSquare(first, p, draws));
        assertTrue(chiSquare(second, q, draws) < 34.5, "second " + chiSquare(second, q, draws));
        assertTrue(chiSquare(first, law(places, 0.25), draws) > 100, "another law is told apart");
    }

    private static double[] law(int places, double power) {
        double[] p = new double[places];
        double sum = 0;
        for (int x = 1; x <= places; x++) {
            p[x - 1] = power * Math.pow(x, power - 1);
            sum += p[x - 1];
        }
        double all = sum;
        return Arrays.stream(p).map(value -> value / all).toArray();
    }

    private static double chiSquare(double[] counts, double[] p, int draws) {
        double sum = 0;
        for (int i = 0; i < p.length; i++) {
            double expected = draws * p[i];
            sum += (counts[i] - expected) * (counts[i] - expected) / expected;
        }
        return sum;
    }

    @ParameterizedTest
    @ValueSource(strings = {"zero", "random"})
    @DisplayName("a model that looks back is right, one with a window where the window reaches")
    void windowKnowsWhatItShows(String filler) {
        EvalSettings settings =
                settings(
                        "lengths: [64, 128], pairs: [2, 8], samples: 5, vocabulary: ids, beyond:"
                                + " [30], filler: "
                                + filler);
        int window = 31;

        TaskResult whole = run(reader(600), settings);
        TaskResult limited = run(reader(window), settings);

        assertEquals(1.0, whole.metric("acc").value());
        assertEquals(1.0, whole.metric("acc_beyond_30").value());
        long seen = 0;
        long all = 0;
        for (Sample sample : limited.samples()) {
            List<?> answers = (List<?>) sample.responses().get(0);
            List<?> distances = (List<?>) sample.tags().get("distances");
            assertEquals(sample.tags().get("pairs"), answers.size());
            for (int i = 0; i < answers.size(); i++) {
                boolean isSeen = (int) distances.get(i) + 1 < window;
                if (filler.equals("zero")) {
                    assertEquals(isSeen, answers.get(i));
                }
                seen += Boolean.TRUE.equals(answers.get(i)) ? 1 : 0;
                all++;
            }
        }
        assertEquals((double) seen / all, limited.metric("acc").value(), 1e-12);
        assertTrue(seen > 0 && seen < all);
        assertTrue(limited.metric("acc_beyond_30").value() < 0.1);
        assertEquals(20, limited.effectiveSamples());
        assertEquals(100, limited.scoredTokens());
    }

    @Test
    @DisplayName("the value does not stand behind the query: the sequence is Zoology's own")
    void valuesAreNotGivenAway() {
        FakeModel model = reader(600);

        run(model, settings("lengths: [64], pairs: [4], samples: 2, vocabulary: ids"));

        for (int[] ids : model.batches.stream().flatMap(List::stream).toList()) {
            assertEquals(65, ids.length);
            assertEquals(0, ids[0], "BOS");
            for (int i = 0; i < 4; i++) {
                int value = ids[2 + 2 * i];
                assertEquals(1, Arrays.stream(ids).filter(id -> id == value).count());
            }
        }
    }

    @Test
    @DisplayName("each length with each number of pairs that it holds, taking turns")
    void grid() {
        EvalSettings settings =
                settings("lengths: [16, 64], pairs: [4, 16], samples: 2, vocabulary: ids");

        TaskResult result = run(reader(600), settings);

        assertEquals(
                List.of("16 4", "64 4", "64 16", "16 4", "64 4", "64 16"),
                result.samples().stream()
                        .map(s -> s.tags().get("length") + " " + s.tags().get("pairs"))
                        .toList());
        assertEquals(
                result.samples().get(0).requests(),
                run(reader(5), settings).samples().get(0).requests());
        assertNotEquals(result.samples().get(0).requests(), result.samples().get(3).requests());
    }

    @Test
    void settingsThatCannotBeAreRefused() {
        assertRefused("mqar.lengths", "lengths: [600], pairs: [2], vocabulary: ids");
        assertRefused("mqar.pairs", "lengths: [64], pairs: [2], vocabulary: words");
        assertRefused(
                "mqar.pairs", "lengths: [64], pairs: [4], vocabulary: ids, vocabulary_size: 8");
        assertRefused("mqar.beyond", "lengths: [64], pairs: [4], vocabulary: ids, beyond: [64]");
        for (String wrong :
                List.of(
                        "lengths: [63]",
                        "lengths: []",
                        "lengths: [2]",
                        "lengths: [64, 64]",
                        "pairs: [0]",
                        "pairs: [200]",
                        "samples: 0",
                        "power_a: 0.0",
                        "vocabulary_size: 7",
                        "beyond: [0]")) {
            String key = wrong.substring(0, wrong.indexOf(':'));
            ConfigException error =
                    assertThrows(ConfigException.class, () -> settings(wrong), wrong);
            assertTrue(error.getMessage().contains("mqar." + key), error.getMessage());
        }
    }

    private static void assertRefused(String key, String mqar) {
        InvalidValueException error =
                assertThrows(
                        InvalidValueException.class,
                        () ->
                                EvalTasks.named("mqar")
                                        .check(CHARACTERS, EvalData.none(), settings(mqar), 600));
        assertEquals(key, error.key());
    }

    /** Whole words, with and without a space before. */
    private record Words(List<String> texts) implements TextTokenizer {
        @Override
        public int[] encode(String text, boolean addSpecialTokens) {
            int whole = texts.indexOf(text);
            return whole >= 0 ? new int[] {whole} : new int[] {0, 0};
        }

        @Override
        public String decode(int[] ids, boolean skipSpecialTokens) {
            return Arrays.stream(ids).mapToObj(texts::get).collect(Collectors.joining());
        }

        @Override
        public OptionalInt bosId() {
            return OptionalInt.empty();
        }

        @Override
        public OptionalInt eosId() {
            return OptionalInt.empty();
        }

        @Override
        public int vocabSize() {
            return texts.size();
        }
    }

    @Test
    @DisplayName("words are tokens of three letters or more that their text gives back")
    void wordTokens() {
        List<String> spaced = List.of("?", " the", "the", " of", " The", " cat", " cat", " d0g");

        assertEquals(List.of(1, 5), WordTokens.of(new Words(spaced)));
        assertEquals(List.of(1), WordTokens.of(new Words(List.of("?", "the", "of"))));
    }

    @Test
    @DisplayName("words stand in an order drawn from the seed, as many as are asked for")
    void wordsMakeTheVocabulary() {
        Words words =
                new Words(
                        List.of(
                                " ant", " bee", " cat", " dog", " eel", " fox", " gnu", " hen",
                                " ibex", " jay", " kite", " lion"));
        EvalSettings settings =
                settings("lengths: [16], pairs: [2], samples: 30, vocabulary_size: 8");
        FakeModel model = FakeModel.uniform(12, 64);

        TaskResult result =
                EvalTasks.named("mqar")
                        .run(
                                new EvalInput(model, words, EvalData.none()),
                                settings,
                                EvalProgress.NONE);

        Set<Integer> used =
                model.batches.stream()
                        .flatMap(List::stream)
                        .flatMap(ids -> Arrays.stream(ids).boxed())
                        .collect(Collectors.toSet());
        assertEquals(8, used.size());
        assertNotEquals(Set.of(0, 1, 2, 3, 4, 5, 6, 7), used);
        assertEquals(8, result.config().get("vocabulary_size"));
        assertArrayEquals(
                new double[] {0.01}, new double[] {(double) result.config().get("power_a")});
    }
}
