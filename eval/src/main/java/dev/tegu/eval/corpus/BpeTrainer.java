package dev.tegu.eval.corpus;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Learns a byte-level BPE vocabulary: of all neighbouring pairs of tokens inside words, the most
 * frequent one becomes a token, again and again. Ties go to the pair with the smaller first id,
 * then the smaller second id, so the same texts in any order give the same tokenizer.
 *
 * <p>Memory and the time of one merge grow with the number of different words, not with the length
 * of the corpus; meant for vocabularies of some thousand tokens.
 */
public final class BpeTrainer {
    /** Smallest vocabulary: two marks and 256 bytes. */
    public static final int SMALLEST_VOCABULARY = BpeVocabulary.MARKS.size() + 256;

    private BpeTrainer() {}

    /** Learns from texts without marks, from frequencies alone. */
    public static BpeVocabulary train(Stream<String> texts, int vocabSize) {
        return train(texts, vocabSize, List.of());
    }

    /**
     * Learns from texts without marks.
     *
     * @param texts the training texts; read once, and closed
     * @param first texts that become tokens before anything is counted, in this order, each of them
     *     two tokens that are there by then; so that words made of them are always cut there
     * @param vocabSize most token ids, marks included, {@link #SMALLEST_VOCABULARY} or more; fewer
     *     come out when no pair is left that occurs twice
     * @throws IllegalArgumentException if {@code vocabSize} is too small, or one of {@code first}
     *     is not two tokens
     */
    public static BpeVocabulary train(Stream<String> texts, int vocabSize, List<String> first) {
        if (vocabSize < SMALLEST_VOCABULARY) {
            throw new IllegalArgumentException(
                    "vocab_size: expected "
                            + SMALLEST_VOCABULARY
                            + " or more (two marks and 256 bytes), found "
                            + vocabSize);
        }
        Map<String, Integer> ids = new LinkedHashMap<>();
        BpeVocabulary.MARKS.forEach(mark -> ids.put(mark, ids.size()));
        ByteAlphabet.sorted().forEach(symbol -> ids.put(symbol.toString(), ids.size()));
        List<String> tokens = new ArrayList<>(ids.keySet());
        List<BpeVocabulary.Merge> merges = new ArrayList<>();
        PairCounts counts = new PairCounts(words(texts, ids));
        for (int i = 0; tokens.size() < vocabSize; i++) {
            PairCounts.Pair best =
                    i < first.size() ? halves(first.get(i), ids) : counts.mostFrequent();
            if (best == null || (i >= first.size() && counts.count(best) < 2)) {
                break;
            }
            String left = tokens.get(best.left());
            String right = tokens.get(best.right());
            Integer known = ids.putIfAbsent(left + right, tokens.size());
            if (known == null) {
                tokens.add(left + right);
            }
            merges.add(new BpeVocabulary.Merge(left, right));
            counts.merge(best, ids.get(left + right));
        }
        return new BpeVocabulary(tokens, merges);
    }

    private static PairCounts.Pair halves(String text, Map<String, Integer> ids) {
        String symbols = ByteAlphabet.encode(text);
        for (int i = 1; i < symbols.length(); i++) {
            Integer left = ids.get(symbols.substring(0, i));
            Integer right = ids.get(symbols.substring(i));
            if (left != null && right != null) {
                return new PairCounts.Pair(left, right);
            }
        }
        throw new IllegalArgumentException("first: `" + text + "` is not two tokens");
    }

    /** Different words as byte ids with their frequency, in the order of their characters. */
    private static List<PairCounts.Word> words(Stream<String> texts, Map<String, Integer> ids) {
        Map<String, Long> frequencies = new TreeMap<>();
        try (texts) {
            texts.forEach(
                    text ->
                            PreTokenizer.words(text)
                                    .forEach(word -> frequencies.merge(word, 1L, Long::sum)));
        }
        List<PairCounts.Word> words = new ArrayList<>();
        frequencies.forEach(
                (word, frequency) -> {
                    int[] symbols =
                            ByteAlphabet.encode(word)
                                    .chars()
                                    .map(symbol -> ids.get(Character.toString(symbol)))
                                    .toArray();
                    if (symbols.length > 1) {
                        words.add(new PairCounts.Word(symbols, frequency));
                    }
                });
        return words;
    }
}
