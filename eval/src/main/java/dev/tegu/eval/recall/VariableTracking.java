package dev.tegu.eval.recall;

import dev.tegu.eval.probe.Fit;
import dev.tegu.eval.probe.StableRandom;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * RULER's variable tracking: a number is given to a variable, that to another and so on, four
 * times; which variables have the number? A solved example stands before.
 *
 * <p>Prompts as lm-evaluation-harness has them, to the letter, the misspelt {@code assgined} too.
 *
 * @see <a href="https://arxiv.org/abs/2404.06654">RULER</a>
 */
final class VariableTracking implements ItemSource {
    private static final int HOPS = 4;
    private static final String NOISE = Niah.REPEATED + "\n";
    private static final String BEFORE =
            "Memorize and track the chain(s) of variable assignment hidden in the following text."
                    + "\n\n";

    /** Tokens that the example and room for an answer may take. */
    private static final int EXAMPLE_TOKENS = 500;

    /** The example has a multiple of so many lines. */
    private static final int EXAMPLE_STEP = 5;

    private record Chain(List<String> names, int value, String text) {
        String question() {
            return BEFORE
                    + text
                    + "\nQuestion: Find all variables that are assigned the value "
                    + value
                    + " in the text above.";
        }

        String solved() {
            return question() + " " + answerPrefix() + "  " + String.join(" ", names);
        }

        String answerPrefix() {
            return "Answer: According to the chain(s) of variable assignment in the text above, "
                    + names.size()
                    + " variables are assgined the value "
                    + value
                    + ", they are:";
        }
    }

    @Override
    public String name() {
        return "ruler_vt";
    }

    @Override
    public String description() {
        return "RULER: variables that a number was handed on to, over four steps";
    }

    @Override
    public int newTokens() {
        return 30;
    }

    @Override
    public int smallest() {
        return 1;
    }

    @Override
    public RecallItem item(Place place, StableRandom random, int size) {
        Chain asked = chain(random.fork(1), size, 5);
        String shot = example(place, random.fork(0)) + "\n\n\n\n";
        int start = shot.length() + asked.question().indexOf("VAR " + asked.names().get(0) + " =");
        int end = asked.question().indexOf(" = " + asked.value()) + shot.length() + 8;
        return new RecallItem(
                shot + asked.question(),
                "\n\n" + asked.answerPrefix(),
                asked.names(),
                start,
                end,
                Map.of("hops", HOPS));
    }

    @Override
    public double score(RecallItem item, String answer) {
        return References.share(item.references(), answer);
    }

    /** The solved example, as long as it may be. */
    private String example(Place place, StableRandom random) {
        return Fit.longest(
                        1,
                        EXAMPLE_TOKENS,
                        EXAMPLE_TOKENS - newTokens(),
                        size -> chain(random.fork(size), EXAMPLE_STEP * size, 3).solved(),
                        text -> place.tokenizer().encode(text, false).length)
                .orElseGet(() -> chain(random.fork(1), EXAMPLE_STEP, 3).solved());
    }

    /** Lines of noise with the assignments among them, in order. */
    private static Chain chain(StableRandom random, int lines, int letters) {
        List<String> names = names(random, letters);
        int value = random.between(10_000, 99_998);
        List<String> statements = new ArrayList<>();
        statements.add("VAR " + names.get(0) + " = " + value);
        for (int i = 0; i < HOPS; i++) {
            statements.add("VAR " + names.get(i + 1) + " = VAR " + names.get(i) + " ");
        }
        List<String> noise = noise(lines);
        List<Integer> all = new ArrayList<>();
        for (int i = 0; i < noise.size(); i++) {
            all.add(i);
        }
        List<Integer> places =
                WordLists.some(random, all, statements.size()).stream().sorted().toList();
        for (int i = 0; i < statements.size(); i++) {
            noise.add(places.get(i) + i, statements.get(i));
        }
        return new Chain(names, value, String.join(" ", noise).replace(". \n", ".\n"));
    }

    /** Few lines are cut into their sentences, so that there are places between them. */
    private static List<String> noise(int lines) {
        List<String> noise = new ArrayList<>();
        for (int i = 0; i < lines; i++) {
            if (lines > HOPS + 1) {
                noise.add(NOISE);
                continue;
            }
            for (String sentence : NOISE.split("\\.", -1)) {
                noise.add(sentence.isBlank() ? sentence : sentence + ".");
            }
        }
        return noise;
    }

    private static List<String> names(StableRandom random, int letters) {
        List<String> names = new ArrayList<>();
        Set<String> taken = new HashSet<>();
        while (names.size() <= HOPS) {
            StringBuilder name = new StringBuilder();
            for (int i = 0; i < letters; i++) {
                name.append((char) ('A' + random.nextInt(26)));
            }
            if (taken.add(name.toString())) {
                names.add(name.toString());
            }
        }
        return names;
    }
}
