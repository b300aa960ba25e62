package dev.tegu.eval;

import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes of texts as lm-evaluation-harness counts them. */
final class Words {
    /** Python's {@code \s}: Unicode's white space and the four separators of ASCII. */
    private static final Pattern SPACE =
            Pattern.compile("[\\s\\x1c-\\x1f]+", Pattern.UNICODE_CHARACTER_CLASS);

    private Words() {}

    /**
     * Parts between runs of white space, {@code len(re.split(r"\s+", text))}: an empty part at
     * either end counts, so a text that begins with a space has one more than it has words.
     */
    static long count(String text) {
        long parts = 1;
        Matcher runs = SPACE.matcher(text);
        while (runs.find()) {
            parts++;
        }
        return parts;
    }

    /** UTF-8 bytes. */
    static long bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }
}
