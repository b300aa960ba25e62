package dev.tegu.eval.recall;

import dev.tegu.eval.probe.StableRandom;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Lizard's passkeys: five of them in the user's text, each 5 to 8 tokens of random words, and a
 * question for one by its ordinal. Right is an answer that begins with its words.
 *
 * <p>The paper shows one example; that the passkeys stand between sentences and that the answer
 * begins a line of its own is our reading. The one that is asked for stands at the depth of the
 * grid, the others at random.
 *
 * @see <a href="https://arxiv.org/abs/2507.09025">Lizard</a>, figure 3
 */
final class FivePasskeys implements ItemSource {
    private static final List<String> ORDINALS =
            List.of("first", "second", "third", "fourth", "fifth");

    private static final int FEWEST_TOKENS = 5;
    private static final int MOST_TOKENS = 8;

    @Override
    public String name() {
        return "passkey_5";
    }

    @Override
    public String description() {
        return "one of five passkeys of random words, asked for by its ordinal (Lizard)";
    }

    @Override
    public boolean needsText() {
        return true;
    }

    @Override
    public int newTokens() {
        return 16;
    }

    @Override
    public int smallest() {
        return 1;
    }

    @Override
    public RecallItem item(Place place, StableRandom random, int size) {
        List<String> keys = new ArrayList<>();
        while (keys.size() < ORDINALS.size()) {
            keys.add(passkey(place, random));
        }
        List<Double> depths = new ArrayList<>();
        for (int i = 1; i < ORDINALS.size(); i++) {
            depths.add(random.nextInt(1_000_000) / 1e6);
        }
        depths.add(place.depth());
        List<Double> sorted = depths.stream().sorted().toList();
        int asked = sorted.indexOf(place.depth());
        List<String> sentences = place.text().sentences(size);
        StringBuilder text = new StringBuilder();
        int from = 0;
        int start = 0;
        int end = 0;
        for (int i = 0; i < ORDINALS.size(); i++) {
            int to = (int) Math.round(sorted.get(i) * sentences.size());
            append(text, String.join(" ", sentences.subList(from, to)));
            append(text, "");
            int begin = text.length();
            text.append("Remember that the ")
                    .append(ORDINALS.get(i))
                    .append(" passkey is \"")
                    .append(keys.get(i))
                    .append("\".");
            if (i == asked) {
                start = begin;
                end = text.length();
            }
            from = to;
        }
        append(text, String.join(" ", sentences.subList(from, sentences.size())));
        String ordinal = ORDINALS.get(asked);
        text.append("\nPrompt: Based on the provided context, which is ")
                .append(ordinal)
                .append(" passkey?\n");
        Map<String, Object> tags = new LinkedHashMap<>();
        tags.put("depth", place.depth());
        tags.put("ordinal", ordinal);
        return new RecallItem(text.toString(), "", List.of(keys.get(asked)), start, end, tags);
    }

    private static void append(StringBuilder text, String more) {
        boolean isApart = text.length() == 0 || text.charAt(text.length() - 1) == ' ';
        text.append(isApart ? "" : " ").append(more);
    }

    private static String passkey(Place place, StableRandom random) {
        String key = random.pick(WordLists.ALL);
        while (true) {
            String longer = key + " " + random.pick(WordLists.ALL);
            int tokens = place.tokenizer().encode(" " + longer, false).length;
            if (tokens > MOST_TOKENS) {
                return key;
            }
            key = longer;
            if (tokens >= FEWEST_TOKENS && random.nextInt(2) == 0) {
                return key;
            }
        }
    }

    @Override
    public double score(RecallItem item, String answer) {
        String text = answer.strip();
        String bare = text.startsWith("\"") ? text.substring(1) : text;
        return bare.startsWith(item.references().get(0)) ? 1 : 0;
    }
}
