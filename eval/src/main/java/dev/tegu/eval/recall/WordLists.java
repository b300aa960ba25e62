package dev.tegu.eval.recall;

import dev.tegu.eval.probe.StableRandom;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Common English words, all different. */
final class WordLists {
    static final List<String> ADJECTIVES = read("adjectives.txt");
    static final List<String> NOUNS = read("nouns.txt");

    /** Adjectives, nouns and verbs. */
    static final List<String> ALL =
            Stream.of(ADJECTIVES, NOUNS, read("verbs.txt")).flatMap(List::stream).toList();

    private WordLists() {}

    /** An adjective and a noun, such as {@code quiet-harbor}. */
    static String key(StableRandom random) {
        return random.pick(ADJECTIVES) + "-" + random.pick(NOUNS);
    }

    /** Different items in random order. */
    static <T> List<T> some(StableRandom random, List<T> items, int count) {
        return new ArrayList<>(random.shuffled(items).subList(0, count));
    }

    private static List<String> read(String name) {
        try (InputStream in = WordLists.class.getResourceAsStream(name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
