package dev.tegu.eval.recall;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The user's text as words, from its beginning; where it ends, it begins again. */
final class Haystack {
    /** A full stop, question or exclamation mark, closing quotes, then a space. */
    private static final Pattern SENTENCE_END = Pattern.compile("[.!?][\"'\u2019\u201d)\\]]* ");

    private final List<String> words;

    /**
     * @param text any text with at least one word, or empty where none is needed
     */
    Haystack(String text) {
        String joined = text.strip().replaceAll("\\s+", " ");
        words = joined.isEmpty() ? List.of() : List.of(joined.split(" "));
    }

    /** The first {@code count} words, a space between them. */
    String words(int count) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            text.append(i == 0 ? "" : " ").append(words.get(i % words.size()));
        }
        return text.toString();
    }

    /** The first {@code count} words cut into sentences; the last may be a part of one. */
    List<String> sentences(int count) {
        String text = words(count);
        List<String> sentences = new ArrayList<>();
        Matcher end = SENTENCE_END.matcher(text);
        int from = 0;
        while (end.find()) {
            sentences.add(text.substring(from, end.end() - 1));
            from = end.end();
        }
        if (from < text.length()) {
            sentences.add(text.substring(from));
        }
        return sentences;
    }
}
