package dev.tegu.eval.probe;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Words that no text holds by design: two or three syllables of one consonant and one vowel, such
 * as {@code vole} and {@code nitulu}. A model cannot know them, so it must look them up.
 */
public final class InventedWords {
    /** How many different words there are: 70 syllables, to the power of two and of three. */
    public static final int POOL = 70 * 70 + 70 * 70 * 70;

    private static final String CONSONANTS = "bdfgklmnprstvz";
    private static final String VOWELS = "aeiou";

    private InventedWords() {}

    /** Every syllable, in alphabetical order. */
    public static List<String> syllables() {
        return CONSONANTS
                .chars()
                .mapToObj(Character::toString)
                .flatMap(c -> VOWELS.chars().mapToObj(vowel -> c + Character.toString(vowel)))
                .toList();
    }

    /** One word, of two or three syllables with the same chance. */
    public static String next(StableRandom random) {
        int syllables = random.between(2, 3);
        StringBuilder word = new StringBuilder();
        for (int i = 0; i < syllables; i++) {
            word.append(CONSONANTS.charAt(random.nextInt(CONSONANTS.length())));
            word.append(VOWELS.charAt(random.nextInt(VOWELS.length())));
        }
        return word.toString();
    }

    /**
     * Different words, in random order.
     *
     * @param count 0 to 100,000, well below {@link #POOL} so that drawing ends soon
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
