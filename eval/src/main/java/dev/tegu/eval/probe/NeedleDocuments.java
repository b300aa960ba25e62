package dev.tegu.eval.probe;

import dev.tegu.eval.probe.ProbeDocument.Question;
import java.util.ArrayList;
import java.util.List;

/**
 * A passage of running text with one foreign sentence in it, and a question about that sentence.
 *
 * <p>The haystack is cut into sentences at {@code ". "}. A document is a run of whole sentences,
 * with {@code The special magic number for KEY is: 12345} put between two of them, then a line
 * {@code What is the special magic number for KEY? The special magic number for KEY is: 12345}. KEY
 * is an {@linkplain InventedWords invented word}, the number has five digits.
 */
public final class NeedleDocuments {
    private static final String SEPARATOR = ". ";

    private final List<String> sentences;

    /**
     * Where each sentence begins, counted as if all stood joined; one entry more than sentences.
     */
    private final long[] offsets;

    /**
     * @param haystack running text to take passages from, any length
     */
    public NeedleDocuments(String haystack) {
        String text = haystack.strip();
        if (text.endsWith(".")) {
            text = text.substring(0, text.length() - 1);
        }
        List<String> parts = new ArrayList<>();
        int start = 0;
        int end = text.indexOf(SEPARATOR);
        while (end >= 0) {
            parts.add(text.substring(start, end));
            start = end + SEPARATOR.length();
            end = text.indexOf(SEPARATOR, start);
        }
        parts.add(text.substring(start));
        sentences = List.copyOf(parts);
        offsets = new long[sentences.size() + 1];
        for (int i = 0; i < sentences.size(); i++) {
            offsets[i + 1] = offsets[i] + sentences.get(i).length() + SEPARATOR.length();
        }
    }

    /**
     * One document.
     *
     * @param characters most characters of the passage without the needle; a passage has at least
     *     half as many
     * @param depth where the needle stands, from 0 (after the first sentence) to 1 (before the
     *     last)
     * @throws IllegalArgumentException if {@code depth} is out of range, or no two or more whole
     *     sentences of the haystack have between {@code characters / 2} and {@code characters}
     *     characters
     */
    public ProbeDocument generate(StableRandom random, int characters, double depth) {
        if (!(depth >= 0 && depth <= 1)) {
            throw new IllegalArgumentException("depth: expected 0 to 1, found " + depth);
        }
        List<int[]> passages = passages(characters);
        if (passages.isEmpty()) {
            throw new IllegalArgumentException(
                    "the haystack of "
                            + sentences.size()
                            + " sentences has no run of two or more with "
                            + characters / 2
                            + " to "
                            + characters
                            + " characters; ask for another length or give a longer text");
        }
        int[] passage = random.pick(passages);
        String key = InventedWords.next(random);
        int number = random.between(10_000, 99_999);
        List<String> parts = new ArrayList<>(sentences.subList(passage[0], passage[1]));
        int places = parts.size() - 1;
        int place = 1 + Math.min(places - 1, (int) (depth * places));
        String claim = "The special magic number for " + key + " is:";
        String answer = " " + number;
        parts.add(place, claim + answer);
        String question = "\nWhat is the special magic number for " + key + "? " + claim;
        int factEnd = String.join(SEPARATOR, parts.subList(0, place + 1)).length();
        return new ProbeDocument(
                String.join(SEPARATOR, parts) + ".",
                List.of(new Question(question, answer, factEnd)));
    }

    /** Characters of the whole haystack, so of the longest passage at most. */
    public int characters() {
        return (int) Math.min(Integer.MAX_VALUE, length(0, sentences.size()));
    }

    /**
     * Runs of sentences (first, one past the last) as long as fits, one for each possible start.
     */
    private List<int[]> passages(int characters) {
        List<int[]> passages = new ArrayList<>();
        int end = 0;
        for (int start = 0; start < sentences.size() && end < sentences.size(); start++) {
            end = Math.max(end, start);
            while (end < sentences.size() && length(start, end + 1) <= characters) {
                end++;
            }
            if (end - start >= 2 && length(start, end) >= characters / 2) {
                passages.add(new int[] {start, end});
            }
        }
        return passages;
    }

    /** Characters of the passage with its final full stop, without the needle. */
    private long length(int from, int to) {
        return offsets[to] - offsets[from] - 1;
    }
}
