package dev.tegu.eval.corpus;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts text into the words inside which merges may happen, as the two pre-tokenizers of the written
 * {@code tokenizer.json} do one after the other: {@code Digits} with {@code individual_digits},
 * then {@code ByteLevel} with {@code use_regex}, which sees each piece that the first one leaves
 * alone.
 */
final class PreTokenizer {
    /** ByteLevel's rule: English endings; letters, digits or signs after one space; blanks. */
    private static final Pattern WORDS =
            Pattern.compile(
                    "'(?:s|t|re|ve|m|ll|d)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
                    Pattern.UNICODE_CHARACTER_CLASS);

    private static final Pattern NUMERIC = Pattern.compile("\\p{N}");

    private PreTokenizer() {}

    /** The words in order; joined they are the text. */
    static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        Matcher digit = NUMERIC.matcher(text);
        int from = 0;
        while (digit.find()) {
            addWords(words, text.substring(from, digit.start()));
            words.add(digit.group());
            from = digit.end();
        }
        addWords(words, text.substring(from));
        return words;
    }

    private static void addWords(List<String> words, String piece) {
        Matcher word = WORDS.matcher(piece);
        while (word.find()) {
            words.add(word.group());
        }
    }
}
