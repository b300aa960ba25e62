package dev.tegu.eval.recall;

import dev.tegu.eval.probe.StableRandom;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * RULER's frequent words: invented words of six letters whose numbers follow Zipf's law with
 * exponent 2; the first of them are dots, the next three are asked for.
 *
 * <p>Of n words in all, word k stands floor(n k^-2 / zeta(2)) times. Prompt as
 * lm-evaluation-harness has it.
 *
 * @see <a href="https://arxiv.org/abs/2404.06654">RULER</a>
 */
final class FrequentWords implements ItemSource {
    private static final double ZETA_OF_2 = Math.PI * Math.PI / 6;
    private static final int LETTERS = 6;
    private static final int ASKED = 3;

    @Override
    public String name() {
        return "ruler_fwe";
    }

    @Override
    public String description() {
        return "RULER: the three most frequent words of a coded text";
    }

    @Override
    public int newTokens() {
        return 50;
    }

    /** Fewer words would leave the third and the fourth equally frequent. */
    @Override
    public int smallest() {
        return 80;
    }

    @Override
    public RecallItem item(Place place, StableRandom random, int size) {
        List<String> words = vocabulary(random, Math.max(ASKED + 2, place.length() / 50));
        List<String> text = new ArrayList<>();
        for (int k = 1; k <= words.size(); k++) {
            int times = (int) (size / ((double) k * k) / ZETA_OF_2);
            for (int i = 0; i < times; i++) {
                text.add(words.get(k - 1));
            }
        }
        String context =
                "Read the following coded text and track the frequency of each coded word. Find the"
                        + " three most frequently appeared coded words. "
                        + String.join(" ", random.shuffled(text))
                        + "\nQuestion: Do not provide any explanation. Please ignore the dots"
                        + " '....'. What are the three most frequently appeared words in the above"
                        + " coded text?";
        return new RecallItem(
                context,
                " Answer: According to the coded text above, the three most frequently appeared"
                        + " words are:",
                words.subList(1, 1 + ASKED),
                -1,
                -1,
                Map.of("words", size));
    }

    /** Different words, the dots first. */
    private static List<String> vocabulary(StableRandom random, int size) {
        List<String> words = new ArrayList<>(List.of("..."));
        Set<String> taken = new HashSet<>();
        while (words.size() < size) {
            StringBuilder word = new StringBuilder();
            for (int i = 0; i < LETTERS; i++) {
                word.append((char) ('a' + random.nextInt(26)));
            }
            if (taken.add(word.toString())) {
                words.add(word.toString());
            }
        }
        return words;
    }

    @Override
    public double score(RecallItem item, String answer) {
        return References.share(item.references(), answer);
    }
}
