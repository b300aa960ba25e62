package dev.tegu.eval.recall;

import dev.tegu.eval.probe.StableRandom;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The passkey task of landmark attention: a number from 1 to 50,000 in a text that repeats itself.
 * Right is an answer whose first number is the passkey.
 *
 * @see <a href="https://arxiv.org/abs/2305.16300">Landmark Attention</a>, section 4.2
 */
final class Passkey implements ItemSource {
    private static final Pattern NUMBER = Pattern.compile("\\d+");

    @Override
    public String name() {
        return "passkey";
    }

    @Override
    public String description() {
        return "a number hidden in a text that repeats itself, by length and depth";
    }

    @Override
    public int newTokens() {
        return 10;
    }

    @Override
    public int smallest() {
        return 0;
    }

    @Override
    public RecallItem item(Place place, StableRandom random, int size) {
        int key = random.between(1, 50_000);
        int prefix = (int) Math.round(size * place.depth());
        String before =
                "There is an important info hidden inside a lot of irrelevant text. Find it and"
                        + " memorize them. I will quiz you about the important information there."
                        + "\n"
                        + garbage(prefix)
                        + "\n";
        String fact = "The pass key is " + key + ". Remember it. " + key + " is the pass key.";
        String after = "\n" + garbage(size - prefix) + "\nWhat is the pass key? The pass key is";
        return new RecallItem(
                before + fact + after,
                "",
                List.of(Integer.toString(key)),
                before.length(),
                before.length() + fact.length(),
                Map.of("depth", place.depth()));
    }

    private static String garbage(int characters) {
        String unit = Niah.REPEATED + " ";
        return unit.repeat(characters / unit.length() + 1).substring(0, characters);
    }

    @Override
    public double score(RecallItem item, String answer) {
        Matcher number = NUMBER.matcher(answer);
        return number.find() && number.group().equals(item.references().get(0)) ? 1 : 0;
    }
}
