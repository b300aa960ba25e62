package dev.tegu.eval.corpus;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.probe.StableRandom;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DemoCorpusTest {
    private static CorpusSettings settings(int train, long seed) {
        return new CorpusSettings(
                train, 100, 20_000, 2, 1, 1, 4, 16, 1, 200, 800, seed, Optional.empty());
    }

    private static String kind(String document) {
        if (document.startsWith("Records:\n")) {
            return "recall";
        }
        return document.contains("magic number") ? "needle" : "statements";
    }

    @Test
    void seedDecidesEveryDocument() {
        List<String> once = new DemoCorpus(settings(50, 1)).train().toList();
        List<String> again = new DemoCorpus(settings(50, 1)).train().toList();
        List<String> longer = new DemoCorpus(settings(80, 1)).train().toList();
        List<String> other = new DemoCorpus(settings(50, 2)).train().toList();

        assertEquals(once, again);
        assertEquals(once, longer.subList(0, 50));
        assertNotEquals(once, other);
    }

    @Test
    void kindsComeInTheirParts() {
        Map<String, Long> kinds =
                new DemoCorpus(settings(2_000, 3))
                        .train()
                        .collect(
                                Collectors.groupingBy(DemoCorpusTest::kind, Collectors.counting()));

        assertEquals(1_000, kinds.get("statements"), 100);
        assertEquals(500, kinds.get("recall"), 75);
        assertEquals(500, kinds.get("needle"), 75);
    }

    @Test
    void partOfZeroLeavesAKindOut() {
        CorpusSettings recallAlone =
                new CorpusSettings(100, 1, 1_000, 0, 1, 0, 4, 16, 1, 200, 800, 0, Optional.empty());

        assertTrue(
                new DemoCorpus(recallAlone).train().allMatch(text -> kind(text).equals("recall")));
    }

    @Test
    void recallDocumentsAskAtLeastAsOftenAsToldOrAboutEveryRecord() {
        CorpusSettings settings =
                new CorpusSettings(
                        200, 1, 1_000, 0, 1, 0, 4, 16, 10, 200, 800, 0, Optional.empty());

        for (String text : new DemoCorpus(settings).train().toList()) {
            int records = text.substring(0, text.indexOf("\nQuestions:")).split("\n").length - 1;
            int questions = text.split("What is the value").length - 1;
            assertTrue(questions >= Math.min(10, records) && questions <= records, text);
        }
    }

    @Test
    void otherDocumentsOfTheSameWorldTellTheSameFacts() {
        String one = heldout(1, Optional.empty());
        String two = heldout(2, Optional.of(1L));

        assertEquals(24, homes(one).size());
        assertEquals(homes(one), homes(two));
        assertNotEquals(one, two);
        assertNotEquals(homes(one), homes(heldout(2, Optional.empty())));
    }

    private static String heldout(long seed, Optional<Long> worldSeed) {
        return new DemoCorpus(
                        new CorpusSettings(
                                10, 1, 100_000, 2, 1, 1, 4, 16, 1, 200, 800, seed, worldSeed))
                .heldout();
    }

    private static Map<String, String> homes(String text) {
        Map<String, String> homes = new HashMap<>();
        Matcher matcher = Pattern.compile("(\\w+) (?:lives|stands) in (\\w+)").matcher(text);
        while (matcher.find()) {
            homes.put(matcher.group(1), matcher.group(2));
        }
        return homes;
    }

    @Test
    void trainingValidationAndHeldoutShareNoDocument() {
        DemoCorpus corpus = new DemoCorpus(settings(3_000, 4));
        Set<String> train = corpus.train().collect(Collectors.toCollection(HashSet::new));

        assertTrue(train.size() > 2_990, "training repeats itself: " + train.size());
        assertTrue(corpus.validation().noneMatch(train::contains));
        String heldout = corpus.heldout();
        assertTrue(heldout.length() >= 20_000 && heldout.length() < 23_000);
        assertTrue(train.stream().noneMatch(text -> heldout.contains(text + "\n")));
        assertFalse(heldout.contains("Records:") || heldout.contains("magic"));
    }

    @Test
    void vocabularyIsSomeHundredWords() {
        Set<String> words =
                Stream.of(new DemoCorpus(settings(10, 5)).heldout().split("[^A-Za-z]+"))
                        .collect(Collectors.toSet());

        assertTrue(words.size() > 150 && words.size() < 400, "word types: " + words.size());
    }

    @Test
    void factsNeverContradictEachOther() {
        String heldout = new DemoCorpus(settings(10, 6)).heldout();
        Map<Pattern, Integer> facts =
                Map.of(
                        Pattern.compile("(\\w+) lives in (\\w+)"), 24,
                        Pattern.compile("(\\w+) works as a (\\w+)"), 24,
                        Pattern.compile("(\\w+) lies on the (\\w+) river"), 8,
                        Pattern.compile("(\\w+) keeps a (\\w+ \\w+)"), 24,
                        Pattern.compile("best friend of (\\w+) is (\\w+)"), 24);
        facts.forEach(
                (pattern, most) -> {
                    Map<String, String> known = new HashMap<>();
                    Matcher matcher = pattern.matcher(heldout);
                    while (matcher.find()) {
                        String before = known.putIfAbsent(matcher.group(1), matcher.group(2));
                        assertTrue(
                                before == null || before.equals(matcher.group(2)), matcher.group());
                    }
                    assertTrue(known.size() > most / 2 && known.size() <= most, pattern + "");
                });
    }

    @Test
    void worldHasThreePeopleInEveryTown() {
        World world = World.of(new StableRandom(1));

        assertEquals(24, world.people().size());
        assertTrue(world.towns().stream().allMatch(town -> world.peopleOf(town).size() == 3));
        assertTrue(world.people().stream().noneMatch(p -> p.friend().equals(p.name())));
    }

    @Test
    void sentencesAreWellFormed() {
        for (String line : new DemoCorpus(settings(10, 7)).heldout().lines().toList()) {
            for (String sentence : (line + " ").split("\\. ")) {
                assertTrue(sentence.matches("[A-Z][A-Za-z ]+"), sentence);
                assertFalse(sentence.contains("  ") || sentence.contains(" a owl"), sentence);
            }
        }
    }

    @Test
    void filesHoldTheDocumentsAndTheSameBytesEachTime(@TempDir Path folder) throws IOException {
        DemoCorpus corpus = new DemoCorpus(settings(20, 8));

        corpus.write(folder.resolve("one"));
        corpus.write(folder.resolve("two"));
        corpus.write(folder.resolve("two"));

        List<String> texts = new ArrayList<>();
        for (String line : Files.readAllLines(folder.resolve("one/train.jsonl"))) {
            JsonNode json = new ObjectMapper().readTree(line);
            assertEquals(1, json.size());
            texts.add(json.get("text").asText());
        }
        assertEquals(corpus.train().toList(), texts);
        assertEquals(100, Files.readAllLines(folder.resolve("one/validation.jsonl")).size());
        assertEquals(corpus.heldout(), Files.readString(folder.resolve("one/heldout.txt")));
        for (String name : List.of("train.jsonl", "validation.jsonl", "heldout.txt")) {
            assertEquals(
                    -1,
                    Files.mismatch(folder.resolve("one/" + name), folder.resolve("two/" + name)));
        }
        try (Stream<Path> files = Files.list(folder.resolve("two"))) {
            assertEquals(3, files.count(), "no temporary file may stay");
        }
    }

    @Test
    void mixtureOfNothingAndReversedRangesAreRefused() {
        assertEquals(
                "statement_parts",
                assertThrows(
                                InvalidValueException.class,
                                () ->
                                        new CorpusSettings(
                                                1,
                                                1,
                                                1_000,
                                                0,
                                                0,
                                                0,
                                                4,
                                                16,
                                                1,
                                                200,
                                                800,
                                                0,
                                                Optional.empty()))
                        .key());
        assertEquals(
                "max_records",
                assertThrows(
                                InvalidValueException.class,
                                () ->
                                        new CorpusSettings(
                                                1,
                                                1,
                                                1_000,
                                                1,
                                                0,
                                                0,
                                                4,
                                                3,
                                                1,
                                                200,
                                                800,
                                                0,
                                                Optional.empty()))
                        .key());
        assertEquals(
                "max_needle_characters",
                assertThrows(
                                InvalidValueException.class,
                                () ->
                                        new CorpusSettings(
                                                1,
                                                1,
                                                1_000,
                                                1,
                                                0,
                                                0,
                                                4,
                                                5,
                                                1,
                                                300,
                                                299,
                                                0,
                                                Optional.empty()))
                        .key());
    }
}
