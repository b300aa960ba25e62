package dev.tegu.eval.probe;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Words that no text holds by design: two or three syllables of one consonant and one vowel, such
 * as {@code vole} and {@code nitulu}. A model cannot know them, so it must look them up. There are
 * over 200,000; rare syllables such as {@code vu} are left out, since a model that stumbles over a
 * spelling has not forgotten the word.
 */
public final class InventedWords {
    private static final List<String> SYLLABLES =
            List.of(
                    ("ba be bi bo bu da de di do du fa fe ga go gu ka ke ki ko ku la le li lo lu"
                                    + " ma me mi mo mu na ne ni no nu pa pe pi po ra re ri ro ru"
                                    + " sa se si so su ta te ti to tu va ve vi vo za ze zi zo")
                            .split(" "));

    private InventedWords() {}

    /** Every syllable, in alphabetical order. */
    public static List<String> syllables() {
        return SYLLABLES;
    }

    /** One word, of two or three syllables with the same chance. */
    public static String next(StableRandom random) {
        int syllables = random.between(2, 3);
        StringBuilder word = new StringBuilder();
        for (int i = 0; i < syllables; i++) {
            word.append(random.pick(SYLLABLES));
        }
        return word.toString();
    }

    /**
     * Different words, in random order.
     *
     * @param count 0 to 100,000, well below the number of words so that drawing ends soon
     * @throws IllegalArgumentException if {@code count} is out of range
     */
    public static List<String> distinct(StableRandom random, int count) {
        if (count < 0 || count > 100_000) {
            throw new IllegalArgumentException("count: expected 0 to 100000, found " + count);
        }
        Set<String> words = new LinkedHashSet<>();
        while (words.size() < count) {
            words.add(next(random));
        }
        return new ArrayList<>(words);
    }
}
