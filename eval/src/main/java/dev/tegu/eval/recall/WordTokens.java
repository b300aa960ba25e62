package dev.tegu.eval.recall;

import dev.tegu.tokenizer.TextTokenizer;
import java.util.ArrayList;
import java.util.List;

/** The tokens of a vocabulary that are whole words. */
final class WordTokens {
    private static final int SHORTEST = 3;

    private WordTokens() {}

    /**
     * Ids whose text is a word of three or more lower-case English letters, and which that text is
     * tokenised to. Where a vocabulary tells words at the beginning of a text from those after a
     * space, those after a space.
     *
     * @return in the order of the ids
     */
    static List<Integer> of(TextTokenizer tokenizer) {
        List<Integer> spaced = new ArrayList<>();
        List<Integer> bare = new ArrayList<>();
        for (int id = 0; id < tokenizer.vocabSize(); id++) {
            String text = tokenizer.decode(new int[] {id}, false);
            String word = text.startsWith(" ") ? text.substring(1) : text;
            if (word.length() < SHORTEST || !word.chars().allMatch(c -> c >= 'a' && c <= 'z')) {
                continue;
            }
            int[] again = tokenizer.encode(text, false);
            if (again.length == 1 && again[0] == id) {
                (word.length() < text.length() ? spaced : bare).add(id);
            }
        }
        return spaced.isEmpty() ? bare : spaced;
    }
}
