package dev.tegu.tokenizer;

import java.nio.charset.StandardCharsets;

/** Java text that native code can take as UTF-8. */
final class WellFormed {

    private static final char REPLACEMENT = '\uFFFD';

    private WellFormed() {}

    /**
     * The text with each unpaired surrogate replaced by U+FFFD. One such character makes the JNI
     * layer read the whole text byte by byte, which breaks every emoji and NUL in it too.
     */
    static String text(String text) {
        if (StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            return text;
        }
        StringBuilder fixed = new StringBuilder(text.length());
        text.codePoints()
                .forEach(
                        c -> {
                            boolean isUnpaired = c >= 0xD800 && c <= 0xDFFF;
                            fixed.appendCodePoint(isUnpaired ? REPLACEMENT : c);
                        });
        return fixed.toString();
    }
}
