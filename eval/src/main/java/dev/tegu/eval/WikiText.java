package dev.tegu.eval;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * WikiText as lm-evaluation-harness's {@code wikitext} task reads it: pages, and the running text
 * that a page's spaced-out tokens stand for. The rules are the task's, in its order; one of them
 * ({@code /' [0-9]/}) never does what it was meant to, and is kept.
 */
final class WikiText {
    private static final Pattern ROUND = Pattern.compile("\\(\\s*([^)]*?)\\s*\\)", flags());
    private static final Pattern SQUARE = Pattern.compile("\\[\\s*([^\\]]*?)\\s*\\]", flags());
    private static final Pattern CURLY = Pattern.compile("\\{\\s*([^}]*?)\\s*\\}", flags());
    private static final Pattern DOUBLE_QUOTES = Pattern.compile("\"\\s*([^\"]*?)\\s*\"", flags());
    private static final Pattern SINGLE_QUOTES = Pattern.compile("'\\s*([^']*?)\\s*'", flags());
    private static final Pattern DIGIT = Pattern.compile("/' [0-9]/");

    private WikiText() {}

    private static int flags() {
        return Pattern.UNICODE_CHARACTER_CLASS;
    }

    /**
     * The pages of a file of WikiText: a page begins with its heading, {@code = Title =}, and has
     * its lines as they stand. What comes before the first heading is a page if it is not blank.
     */
    static List<String> pages(String text) {
        List<String> pages = new ArrayList<>();
        List<String> page = new ArrayList<>();
        for (String line : text.split("\n", -1)) {
            String level = line.replace("= = =", "===").replace("= =", "==").strip();
            if (level.startsWith("= ") && level.endsWith(" =")) {
                addPage(pages, page);
                page.clear();
            }
            page.add(line);
        }
        addPage(pages, page);
        return pages;
    }

    private static void addPage(List<String> pages, List<String> lines) {
        String page = String.join("\n", lines);
        if (!page.isBlank()) {
            pages.add(page);
        }
    }

    /** The text that a page's tokens stand for. */
    static String detokenized(String page) {
        String text = page.replace("s '", "s'");
        text = DIGIT.matcher(text).replaceAll("/'[0-9]/");
        text = text.replace(" @-@ ", "-").replace(" @,@ ", ",").replace(" @.@ ", ".");
        for (String mark : List.of(":", ";", ".", "!", "?", ",")) {
            text = text.replace(" " + mark + " ", mark + " ");
        }
        text = ROUND.matcher(text).replaceAll("($1)");
        text = SQUARE.matcher(text).replaceAll("[$1]");
        text = CURLY.matcher(text).replaceAll("{$1}");
        text = DOUBLE_QUOTES.matcher(text).replaceAll("\"$1\"");
        text = SINGLE_QUOTES.matcher(text).replaceAll("'$1'");
        text = text.replace("= = = =", "====").replace("= = =", "===").replace("= =", "==");
        text = text.replace(" \u00b0 ", "\u00b0").replace(" \n", "\n").replace("\n ", "\n");
        return text.replace(" N ", " 1 ").replace(" 's", "'s");
    }
}
