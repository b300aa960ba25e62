package dev.tegu.eval;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Answers the questions of recall and needle documents by reading them, character by character,
 * over {@link CharTokenizer}'s ids; lies about the keys that {@code fails} matches.
 */
final class CopyingRule implements FakeModel.Rule {
    private static final Pattern RECALL =
            Pattern.compile("\\nWhat is the value of (\\w+)\\?([^\\n]*)$");
    private static final Pattern NEEDLE =
            Pattern.compile("\\? The special magic number for (\\w+) is:([^\\n]*)$");

    private final CharTokenizer tokenizer = new CharTokenizer(true);
    private final Pattern fails;

    CopyingRule(String fails) {
        this.fails = Pattern.compile(fails);
    }

    @Override
    public double probability(int[] prefix, int next) {
        return best(prefix) == next ? 0.9 : 0.1 / 128;
    }

    @Override
    public int best(int[] prefix) {
        String text = tokenizer.decode(prefix, true);
        Matcher recall = RECALL.matcher(text);
        if (recall.find()) {
            String key = recall.group(1);
            return next(key, value(text, "\n" + key + ":([^\\n]*)\\n"), recall.group(2));
        }
        Matcher needle = NEEDLE.matcher(text);
        if (needle.find()) {
            String key = needle.group(1);
            return next(key, value(text, "number for " + key + " is:( \\d+)\\."), needle.group(2));
        }
        return 0;
    }

    private int next(String key, String value, String written) {
        if (fails.matcher(key).matches() || written.length() >= value.length()) {
            return 0;
        }
        return value.charAt(written.length()) + 1;
    }

    private static String value(String text, String pattern) {
        Matcher matcher = Pattern.compile(pattern).matcher(text);
        return matcher.find() ? matcher.group(1) : "";
    }
}
