package dev.tegu.tokenizer;

import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;

/** Dates in the form of C's strftime, in English. */
final class Strftime {
    private static final Map<Character, String> PATTERNS =
            Map.of(
                    'Y', "yyyy", 'm', "MM", 'd', "dd", 'B', "MMMM", 'b', "MMM", 'A', "EEEE", 'a',
                    "EEE", 'H', "HH", 'M', "mm", 'S', "ss");

    private Strftime() {}

    /**
     * @throws ChatTemplateException if the form asks for something else than {@code %Y %m %d %B %b
     *     %A %a %H %M %S %%}
     */
    static String format(LocalDateTime time, String form) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < form.length(); i++) {
            char c = form.charAt(i);
            if (c != '%' || i + 1 == form.length()) {
                text.append(c);
                continue;
            }
            char code = form.charAt(++i);
            String pattern = PATTERNS.get(code);
            if (code != '%' && pattern == null) {
                throw new ChatTemplateException(
                        "the chat template asks for the date as `%"
                                + code
                                + "`, which is not known");
            }
            text.append(
                    code == '%'
                            ? "%"
                            : DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(time));
        }
        return text.toString();
    }
}
