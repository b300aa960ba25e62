package dev.tegu.eval.recall;

import dev.tegu.eval.probe.StableRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * RULER's common words: a numbered list in which ten words stand more often than all others.
 *
 * <p>Below 4,096 tokens a common word stands 6 times and any other once, from there on 30 and 3
 * times. Prompt as lm-evaluation-harness gives it, without RULER's solved example.
 *
 * @see <a href="https://arxiv.org/abs/2404.06654">RULER</a>
 */
final class CommonWords implements ItemSource {
    private static final int COMMON = 10;

    @Override
    public String name() {
        return "ruler_cwe";
    }

    @Override
    public String description() {
        return "RULER: the ten most common words of a list";
    }

    @Override
    public int newTokens() {
        return 120;
    }

    @Override
    public int smallest() {
        return 2 * COMMON;
    }

    @Override
    public int largest() {
        return WordLists.ALL.size();
    }

    @Override
    public RecallItem item(Place place, StableRandom random, int size) {
        boolean isShort = place.length() < 4096;
        List<String> words = WordLists.some(random, WordLists.ALL, size);
        List<String> common = words.subList(0, COMMON);
        List<String> list = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            int times = i < COMMON ? (isShort ? 6 : 30) : (isShort ? 1 : 3);
            for (int j = 0; j < times; j++) {
                list.add(words.get(i));
            }
        }
        List<String> shuffled = random.shuffled(list);
        StringBuilder context =
                new StringBuilder(
                        "Below is a numbered list of words. In these words, some appear more often"
                                + " than others. Memorize the ones that appear most often.\n");
        for (int i = 0; i < shuffled.size(); i++) {
            context.append(i == 0 ? "" : " ").append(i + 1).append(". ").append(shuffled.get(i));
        }
        context.append("\nQuestion: What are the 10 most common words in the above list?");
        return new RecallItem(
                context.toString(),
                "\n\nAnswer: The top 10 words that appear most often in the list are:",
                common,
                -1,
                -1,
                Map.of("words", size));
    }

    @Override
    public double score(RecallItem item, String answer) {
        return References.share(item.references(), answer);
    }
}
