package dev.tegu.eval.corpus;

import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** How often each pair of neighbouring tokens occurs in a set of words, kept true over merges. */
final class PairCounts {
    /** Two neighbouring token ids. */
    record Pair(int left, int right) {}

    /**
     * A word as it is cut at present.
     *
     * @param frequency how often it occurs in the corpus
     */
    record Word(int[] symbols, long frequency) {}

    private static final Comparator<Map.Entry<Pair, Long>> BEST_FIRST =
            Map.Entry.<Pair, Long>comparingByValue(Comparator.reverseOrder())
                    .thenComparingInt(entry -> entry.getKey().left())
                    .thenComparingInt(entry -> entry.getKey().right());

    private final Word[] words;
    private final Map<Pair, Long> counts = new HashMap<>();

    PairCounts(List<Word> words) {
        this.words = words.toArray(Word[]::new);
        for (Word word : this.words) {
            add(word, 1);
        }
    }

    /** The most frequent pair, of equal ones that with the smallest ids; null if none is left. */
    Pair mostFrequent() {
        return counts.entrySet().stream().min(BEST_FIRST).map(Map.Entry::getKey).orElse(null);
    }

    /** How often a pair occurs, 0 if nowhere. */
    long count(Pair pair) {
        return counts.getOrDefault(pair, 0L);
    }

    /** Replaces the pair, from left to right in every word, by a token. */
    void merge(Pair pair, int token) {
        for (int i = 0; i < words.length; i++) {
            int[] merged = merged(words[i].symbols(), pair, token);
            if (merged.length < words[i].symbols().length) {
                add(words[i], -1);
                words[i] = new Word(merged, words[i].frequency());
                add(words[i], 1);
            }
        }
    }

    private void add(Word word, int sign) {
        for (int i = 1; i < word.symbols().length; i++) {
            Pair pair = new Pair(word.symbols()[i - 1], word.symbols()[i]);
            long count = count(pair) + sign * word.frequency();
            if (count == 0) {
                counts.remove(pair);
            } else {
                counts.put(pair, count);
            }
        }
    }

    private static int[] merged(int[] symbols, Pair pair, int token) {
        int[] result = new int[symbols.length];
        int length = 0;
        for (int i = 0; i < symbols.length; i++) {
            if (i + 1 < symbols.length
                    && symbols[i] == pair.left()
                    && symbols[i + 1] == pair.right()) {
                result[length++] = token;
                i++;
            } else {
                result[length++] = symbols[i];
            }
        }
        return Arrays.copyOf(result, length);
    }
}
