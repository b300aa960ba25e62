package dev.tegu.eval.recall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalInput;
import dev.tegu.eval.EvalProgress;
import dev.tegu.eval.EvalSettings;
import dev.tegu.eval.EvalTasks;
import dev.tegu.eval.Sample;
import dev.tegu.eval.TaskResult;
import dev.tegu.eval.probe.Fit;
import dev.tegu.eval.probe.StableRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;

/** Over a tokenizer of one token a character, so that every length can be counted by hand. */
class LengthTasksTest {
    static final List<String> TASKS =
            List.of(
                    "passkey",
                    "passkey_5",
                    "niah_single_1",
                    "niah_single_2",
                    "niah_single_3",
                    "niah_multikey_1",
                    "niah_multikey_2",
                    "niah_multikey_3",
                    "niah_multivalue",
                    "niah_multiquery",
                    "ruler_vt",
                    "ruler_cwe",
                    "ruler_fwe");

    private static final int POSITIONS = 6_000;
    private static final EvalData TEXT = data();

    private static EvalData data() {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 60; i++) {
            text.append("The cart number ").append(i).append(" was green, they said. \n Why? ");
        }
        return new EvalData(List.of(new EvalData.NamedText("carts.txt", text.toString())));
    }

    private static EvalSettings settings(String task, String lengths, int samples, String more) {
        return ConfigBinder.bind(
                ConfigNode.parse(
                        String.format(
                                "{tasks: [%s], ruler: {lengths: %s, samples: %d},"
                                        + " passkey: {lengths: %s, samples: %d}%s}",
                                task, lengths, samples, lengths, samples, more),
                        "test"),
                EvalSettings.class);
    }

    private static TaskResult run(ReadingModel model, EvalSettings settings) {
        return EvalTasks.named(settings.tasks().get(0))
                .run(
                        new EvalInput(model, ReadingModel.TOKENIZER, TEXT),
                        settings,
                        EvalProgress.NONE);
    }

    private static ReadingModel oracle(String task, int window) {
        return new ReadingModel(POSITIONS, window, text -> Oracle.answer(task, text));
    }

    private static List<Sample> samples(String task, String lengths, int samples) {
        return run(oracle(task, POSITIONS), settings(task, lengths, samples, "")).samples();
    }

    @ParameterizedTest
    @FieldSource("TASKS")
    @DisplayName("a model that looks the answer up is right about every document")
    void oracleIsRight(String task) {
        TaskResult result =
                run(oracle(task, POSITIONS), settings(task, "[3000, 4500]", 3, ", batch_size: 4"));

        assertEquals(1.0, result.metric("acc").value());
        assertEquals(1.0, result.metric("3000").value());
        assertEquals(1.0, result.metric("4500").value());
        assertEquals(task.startsWith("passkey") ? 30 : 6, result.effectiveSamples());
    }

    @ParameterizedTest
    @FieldSource("TASKS")
    @DisplayName("a window alone knows what it shows, and no more")
    void windowShowsItsPart(String task) {
        // a fifth of the list shows which words are common: only a small window must guess
        boolean isCount = List.of("ruler_cwe", "ruler_fwe").contains(task);
        int window = isCount ? 400 : 1_200;
        ReadingModel model = oracle(task, window);

        TaskResult result = run(model, settings(task, "[4500]", 6, ""));

        assertTrue(
                result.metric("acc").value() < (isCount ? 0.8 : 0.7),
                result.metric("acc").toString());
        Pattern value = Pattern.compile("is: [^.]+\\.$");
        int hidden = 0;
        for (Sample sample : result.samples()) {
            Object distance = sample.tags().get("distance");
            boolean isSingle =
                    sample.doc().get("outputs") instanceof List<?> list && list.size() == 1;
            if (distance == null || !isSingle) {
                continue;
            }
            String prompt = sample.requests().get(0).context();
            int end = prompt.length() - (int) distance;
            String fact = fact(task, prompt.substring(0, end));
            boolean isSeen = fact.length() + (int) distance <= window;
            assertTrue(task.startsWith("passkey") || value.matcher(fact).find(), fact);
            assertEquals(isSeen ? 1.0 : 0.0, sample.metrics().get("acc"), fact);
            hidden += isSeen ? 0 : 1;
        }
        boolean isPart = List.of("niah_multivalue", "niah_multiquery").contains(task);
        assertTrue(hidden > 0 || task.startsWith("ruler") || isPart, "something is hidden");
    }

    /** The sentence that ends there. */
    private static String fact(String task, String before) {
        String begin =
                task.equals("passkey")
                        ? "The pass key is "
                        : task.equals("passkey_5") ? "Remember that the " : "One of the special";
        int at = before.lastIndexOf(begin);
        return before.substring(at);
    }

    @ParameterizedTest
    @FieldSource("TASKS")
    @DisplayName("prompt and budget fill the length, but for less than one more piece")
    void lengthsAreFilled(String task) {
        // a line of the passkey text, a needle, a numbered word thrice, Zipf's steps
        int piece =
                switch (task) {
                    case "passkey" -> 1;
                    case "ruler_cwe" -> 60;
                    case "ruler_fwe" -> 100;
                    case "niah_multikey_2", "niah_multikey_3" -> 130;
                    case "niah_single_1", "ruler_vt" -> 95;
                    default -> 60;
                };
        for (Sample sample : samples(task, "[3000, 4000]", 3)) {
            int length = (int) sample.tags().get("length");
            int budget = (int) sample.requests().get(0).generation().get("max_gen_toks");
            int tokens = 1 + sample.requests().get(0).context().length();

            assertEquals(tokens, sample.tags().get("tokens"));
            assertEquals(tokens + budget, sample.doc().get("length"));
            assertTrue(tokens + budget <= length, tokens + " + " + budget);
            assertTrue(tokens + budget > length - piece, task + ": " + tokens + " of " + length);
        }
    }

    @ParameterizedTest
    @FieldSource("TASKS")
    @DisplayName("document i depends on the seed and on i, not on how many there are")
    void documentsAreTheSame(String task) {
        List<String> all = prompts(task, 3, "");
        List<String> again = prompts(task, 3, "");
        List<String> limited = prompts(task, 3, ", limit: 2");
        List<String> more = prompts(task, 4, "");
        List<String> other = prompts(task, 3, ", seed: 1");

        assertEquals(all, again);
        assertEquals(all.size(), new HashSet<>(all).size());
        assertEquals(all.subList(0, 2), limited);
        assertEquals(all, more.subList(0, all.size()));
        assertNotEquals(all.get(0), other.get(0));
    }

    private static List<String> prompts(String task, int samples, String more) {
        return run(oracle(task, POSITIONS), settings(task, "[3000]", samples, more))
                .samples()
                .stream()
                .map(sample -> sample.requests().get(0).context())
                .toList();
    }

    @Test
    @DisplayName("lengths and depths take turns, so that a limit leaves some of each")
    void limitLeavesTheGrid() {
        EvalSettings settings = settings("passkey", "[500, 600]", 9, ", limit: 10");

        List<Sample> samples = run(oracle("passkey", POSITIONS), settings).samples();

        assertEquals(10, samples.size());
        assertEquals(
                10,
                samples.stream()
                        .map(s -> s.tags().get("length") + " " + s.tags().get("depth"))
                        .distinct()
                        .count());
    }

    @Test
    @DisplayName("passkeys stand at the depths that were asked for")
    void passkeysStandAtTheirDepth() {
        for (Sample sample : samples("passkey", "[2000]", 2)) {
            String prompt = sample.requests().get(0).context();
            int from = prompt.indexOf('\n') + 1;
            int fact = prompt.indexOf("The pass key is");
            int after = prompt.indexOf("is the pass key.") + 16;
            int to = prompt.lastIndexOf("\nWhat");
            double before = fact - 1 - from;
            double depth = before / (before + to - after - 1);
            assertEquals((double) sample.tags().get("depth"), depth, 2e-3);
            int key = Integer.parseInt(sample.target());
            assertTrue(key >= 1 && key <= 50_000);
        }
        for (Sample sample : samples("passkey_5", "[4000]", 3)) {
            String prompt = sample.requests().get(0).context();
            Matcher keys =
                    Pattern.compile("Remember that the (\\w+) passkey is \"([a-z ]+)\"\\.")
                            .matcher(prompt);
            List<String> ordinals = new ArrayList<>();
            HashSet<String> words = new HashSet<>();
            int place = 0;
            while (keys.find()) {
                ordinals.add(keys.group(1));
                words.add(keys.group(2));
                place = keys.group(1).equals(sample.tags().get("ordinal")) ? keys.start() : place;
            }
            assertEquals(List.of("first", "second", "third", "fourth", "fifth"), ordinals);
            assertEquals(5, words.size());
            double depth = (double) sample.tags().get("depth");
            assertEquals(depth, (double) place / prompt.length(), 0.12, prompt);
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "niah_single_1, 1, 1, numbers, 1",
        "niah_single_2, 1, 1, numbers, 1",
        "niah_single_3, 1, 1, uuids, 1",
        "niah_multikey_1, 4, 4, numbers, 1",
        "niah_multivalue, 4, 1, numbers, 4",
        "niah_multiquery, 4, 4, numbers, 4",
    })
    @DisplayName("needles: how many, of how many keys, and what is asked for")
    void needles(String task, int needles, int keys, String kind, int answers) {
        for (Sample sample : samples(task, "[3000]", 4)) {
            String prompt = sample.requests().get(0).context();
            Map<String, List<String>> found = needlesOf(prompt, kind);
            assertEquals(keys, found.size());
            assertEquals(needles, found.values().stream().mapToInt(List::size).sum());
            assertEquals(answers, ((List<?>) sample.doc().get("outputs")).size());
            checkForms(found, kind);
        }
    }

    @ParameterizedTest
    @CsvSource({"niah_multikey_2, numbers", "niah_multikey_3, uuids"})
    @DisplayName("a haystack of needles has many keys, all different")
    void haystackOfNeedles(String task, String kind) {
        for (Sample sample : samples(task, "[4000]", 4)) {
            String prompt = sample.requests().get(0).context();
            Map<String, List<String>> found = needlesOf(prompt, kind);
            assertTrue(found.size() > 20, "keys: " + found.size());
            assertTrue(found.values().stream().allMatch(values -> values.size() == 1));
            checkForms(found, kind);
        }
    }

    private static Map<String, List<String>> needlesOf(String prompt, String kind) {
        Matcher needle =
                Pattern.compile("One of the special magic " + kind + " for (\\S+) is: (\\S+)\\.")
                        .matcher(prompt);
        Map<String, List<String>> found = new LinkedHashMap<>();
        while (needle.find()) {
            found.computeIfAbsent(needle.group(1), key -> new ArrayList<>()).add(needle.group(2));
        }
        return found;
    }

    private static void checkForms(Map<String, List<String>> found, String kind) {
        String uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
        String form = kind.equals("uuids") ? uuid : "[1-9]\\d{6}";
        found.forEach(
                (key, values) -> {
                    assertTrue(key.matches("[a-z]+-[a-z]+|" + uuid), key);
                    values.forEach(value -> assertTrue(value.matches(form), value));
                });
    }

    @Test
    @DisplayName("needles in running text stand at one of 40 depths, spread over all of it")
    void needlesAreSpread() {
        int[] fifths = new int[5];
        for (Sample sample : samples("niah_single_2", "[2500]", 100)) {
            double depth = (double) sample.tags().get("depth");
            fifths[Math.min(4, (int) (5 * depth))]++;
        }
        for (int count : fifths) {
            assertTrue(count >= 10 && count <= 32, "of 100: " + count);
        }
    }

    @Test
    @DisplayName("common words stand 6 times below 4,096 tokens and 30 times from there on")
    void commonWords() {
        for (int length : new int[] {4_095, 5_900}) {
            Sample sample = samples("ruler_cwe", "[" + length + "]", 1).get(0);
            String prompt = sample.requests().get(0).context();
            List<String> list =
                    List.of(
                            prompt.substring(prompt.indexOf('\n') + 1, prompt.indexOf("\nQuest"))
                                    .split(" "));
            Map<String, Long> counts =
                    list.stream()
                            .filter(word -> !word.endsWith("."))
                            .collect(Collectors.groupingBy(word -> word, Collectors.counting()));
            List<?> common = (List<?>) sample.doc().get("outputs");
            long often = length < 4_096 ? 6 : 30;
            long seldom = length < 4_096 ? 1 : 3;
            assertEquals(10, common.size());
            counts.forEach(
                    (word, count) ->
                            assertEquals(common.contains(word) ? often : seldom, count, word));
            assertTrue(counts.size() >= 20);
            assertEquals("1.", list.get(0));
        }
    }

    @Test
    @DisplayName("coded words follow Zipf's law with exponent 2, dots first")
    void frequentWords() {
        Sample sample = samples("ruler_fwe", "[5000]", 1).get(0);
        String prompt = sample.requests().get(0).context();
        int n = (int) sample.tags().get("words");
        String text =
                prompt.substring(prompt.indexOf("coded words. ") + 13, prompt.indexOf("\nQuest"));
        Map<String, Integer> counts = new HashMap<>();
        for (String word : text.split(" ")) {
            counts.merge(word, 1, Integer::sum);
        }
        List<Integer> sorted = counts.values().stream().sorted((a, b) -> b - a).toList();

        for (int k = 1; k <= sorted.size(); k++) {
            assertEquals((int) (n / 1.6449340668482264 / k / k), sorted.get(k - 1), "word " + k);
        }
        assertEquals(sorted.get(0), counts.get("..."));
        List<?> asked = (List<?>) sample.doc().get("outputs");
        assertEquals(3, asked.size());
        for (int i = 0; i < 3; i++) {
            assertEquals(sorted.get(i + 1), counts.get(asked.get(i)));
            assertTrue(((String) asked.get(i)).matches("[a-z]{6}"));
        }
    }

    @ParameterizedTest
    @FieldSource("TASKS")
    @DisplayName("a length that cannot hold the task is refused with the tokens that it needs")
    void tooShortALength(String task) {
        EvalSettings settings = settings(task, "[4000, 256]", 1, "");

        InvalidValueException error =
                assertThrows(
                        InvalidValueException.class,
                        () ->
                                EvalTasks.named(task)
                                        .check(ReadingModel.TOKENIZER, TEXT, settings, POSITIONS));

        assertTrue(error.getMessage().startsWith("256 tokens cannot hold"), error.getMessage());
        String block = task.startsWith("passkey") ? "passkey" : "ruler";
        assertEquals(block + ".lengths", error.key());
        Matcher needed = Pattern.compile("takes (\\d+) with").matcher(error.getMessage());
        assertTrue(needed.find() && Integer.parseInt(needed.group(1)) > 256);
        // and with that many it can; coded words change with the length
        int needs = Integer.parseInt(needed.group(1)) + (task.equals("ruler_fwe") ? 20 : 0);
        EvalSettings enough = settings(task, "[4000, " + needs + "]", 1, "");
        EvalTasks.named(task).check(ReadingModel.TOKENIZER, TEXT, enough, POSITIONS);
    }

    @Test
    void lengthsBeyondTheModelAreRefused() {
        EvalSettings settings = settings("niah_single_1", "[2000, 7000]", 1, "");

        InvalidValueException error =
                assertThrows(
                        InvalidValueException.class,
                        () -> run(oracle("niah_single_1", 10), settings));

        assertEquals("ruler.lengths", error.key());
        assertTrue(error.getMessage().contains("7000"), error.getMessage());
    }

    @Test
    void fitFindsTheLargestOfAnyCurve() {
        for (int limit = 3; limit < 200; limit++) {
            int most = limit;
            int root = Fit.longest(1, 1_000, limit, size -> size, size -> size * size).orElse(0);
            assertEquals((int) Math.sqrt(limit), root);
            assertEquals(
                    Math.min(40, most - 2),
                    Fit.longest(1, 40, limit, size -> size, size -> size + 2).orElse(0));
        }
        assertTrue(Fit.longest(5, 9, 4, size -> size, size -> size).isEmpty());
    }

    @Test
    @DisplayName("sharing the references is counted as RULER does")
    void referencesAreFoundInAnyCase() {
        assertEquals(1.0, References.share(List.of("AbC"), "\n xx aBc."));
        assertEquals(0.5, References.share(List.of("abc", "xyz"), "abc xy\u0001z"));
        assertEquals(0.0, References.share(List.of("12"), "1 2"));
        StableRandom random = new StableRandom(5);
        for (int i = 0; i < 200; i++) {
            List<String> references = List.of(word(random), word(random), word(random));
            String answer = word(random) + word(random) + "\t" + word(random);
            double naive = 0;
            for (String reference : references) {
                String cleaned = answer.trim().replace('\t', '\n').trim().toLowerCase(Locale.ROOT);
                for (int at = 0; at + reference.length() <= cleaned.length(); at++) {
                    String part = cleaned.substring(at, at + reference.length());
                    if (part.equals(reference.toLowerCase(Locale.ROOT))) {
                        naive++;
                        break;
                    }
                }
            }
            assertEquals(naive / 3, References.share(references, answer), 1e-12);
        }
    }

    private static String word(StableRandom random) {
        StringBuilder word = new StringBuilder();
        for (int i = random.between(1, 3); i > 0; i--) {
            word.append("abAB".charAt(random.nextInt(4)));
        }
        return word.toString();
    }

    @Test
    void passkeyAnswersAreScoredStrictly() {
        RecallItem number = new RecallItem("", "", List.of("123"), -1, -1, Map.of());
        assertEquals(1, new Passkey().score(number, " is 123."));
        assertEquals(0, new Passkey().score(number, " 1234"));
        assertEquals(0, new Passkey().score(number, " 12 123"));
        assertEquals(0, new Passkey().score(number, ""));
        RecallItem words = new RecallItem("", "", List.of("red fox"), -1, -1, Map.of());
        assertEquals(1, new FivePasskeys().score(words, "\n \"red fox\""));
        assertEquals(1, new FivePasskeys().score(words, "red fox and more"));
        assertEquals(0, new FivePasskeys().score(words, "the red fox"));
    }
}
