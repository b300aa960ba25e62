package dev.tegu.eval.recall;

import dev.tegu.eval.probe.StableRandom;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;

/**
 * RULER's needles in a haystack: sentences that give magic numbers to keys, hidden in a text, then
 * a question about some of the keys.
 *
 * <p>Prompts as lm-evaluation-harness has them; the essays are the user's text.
 *
 * @param name of the task
 * @param description one line
 * @param hay what the needles are hidden in
 * @param keys kind of the keys
 * @param values kind of the values
 * @param numKeys keys with needles
 * @param numValues values, and so needles, of each key
 * @param numQueries keys that are asked for, at most {@code numKeys}
 * @see <a href="https://arxiv.org/abs/2404.06654">RULER</a>
 */
record Niah(
        String name,
        String description,
        Hay hay,
        Kind keys,
        Kind values,
        int numKeys,
        int numValues,
        int numQueries)
        implements ItemSource {
    /** The sentences of the passkey tasks. */
    static final String REPEATED =
            "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back"
                    + " again.";

    /** Depths that needles in essays may have: 40 from 0 to 100 percent. */
    private static final int DEPTHS = 40;

    /** What needles are hidden in. */
    enum Hay {
        /** One line over and over. */
        REPEAT,
        /** The user's text. */
        ESSAY,
        /** Other needles. */
        NEEDLE
    }

    /** What keys and values are. */
    enum Kind {
        WORDS("words"),
        NUMBERS("numbers"),
        UUIDS("uuids");

        private final String plural;

        Kind(String plural) {
            this.plural = plural;
        }

        String draw(StableRandom random) {
            return switch (this) {
                case WORDS -> WordLists.key(random);
                case NUMBERS -> Integer.toString(random.between(1_000_000, 9_999_999));
                case UUIDS -> uuid(random).toString();
            };
        }

        private static UUID uuid(StableRandom random) {
            long high = random.nextLong() & ~0xF000L | 0x4000L;
            long low = random.nextLong() & ~(3L << 62) | 1L << 63;
            return new UUID(high, low);
        }
    }

    /** A sentence and the key that it is about. */
    private record Needle(String key, String value, Kind kind) {
        String text() {
            return "One of the special magic "
                    + kind.plural
                    + " for "
                    + key
                    + " is: "
                    + value
                    + ".";
        }
    }

    @Override
    public boolean needsText() {
        return hay == Hay.ESSAY;
    }

    @Override
    public int newTokens() {
        return 128;
    }

    @Override
    public int smallest() {
        return numKeys * numValues;
    }

    @Override
    public RecallItem item(Place place, StableRandom random, int size) {
        List<String> names = distinct(random, numKeys, Set.of());
        List<Needle> needles = new ArrayList<>();
        for (String key : names) {
            Set<String> drawn = new HashSet<>();
            while (drawn.size() < numValues) {
                String value = values.draw(random);
                if (drawn.add(value)) {
                    needles.add(new Needle(key, value, values));
                }
            }
        }
        List<String> queries = WordLists.some(random, names, numQueries);
        List<String> answers =
                queries.stream()
                        .flatMap(
                                key ->
                                        needles.stream()
                                                .filter(needle -> needle.key().equals(key))
                                                .map(Needle::value))
                        .toList();
        List<Needle> shuffled = random.shuffled(needles);
        String context =
                hay == Hay.ESSAY
                        ? inEssay(place, random, shuffled, size)
                        : inLines(random, shuffled, size, Set.copyOf(names));
        return asked(context, queries, needles, answers);
    }

    private String inEssay(Place place, StableRandom random, List<Needle> needles, int size) {
        List<String> sentences = place.text().sentences(size);
        List<Integer> percents = new ArrayList<>();
        for (int i = 0; i < DEPTHS; i++) {
            percents.add((int) Math.round(100.0 * i / (DEPTHS - 1)));
        }
        List<Integer> depths =
                WordLists.some(random, percents, needles.size()).stream().sorted().toList();
        List<String> parts = new ArrayList<>();
        int from = 0;
        for (int i = 0; i < needles.size(); i++) {
            int to = (int) (sentences.size() * (depths.get(i) / 100.0));
            parts.add(String.join(" ", sentences.subList(from, to)));
            parts.add(needles.get(i).text());
            from = to;
        }
        parts.add(String.join(" ", sentences.subList(from, sentences.size())));
        return String.join(" ", parts);
    }

    private String inLines(StableRandom random, List<Needle> needles, int size, Set<String> taken) {
        Set<Integer> places = new TreeSet<>();
        StableRandom lines = random.fork(size);
        while (places.size() < needles.size()) {
            places.add(lines.nextInt(size));
        }
        List<String> others = hay == Hay.NEEDLE ? distinct(lines, size, taken) : List.of();
        List<String> context = new ArrayList<>();
        int next = 0;
        for (int i = 0; i < size; i++) {
            if (places.contains(i)) {
                context.add(needles.get(next++).text());
            }
            context.add(
                    hay == Hay.NEEDLE
                            ? new Needle(others.get(i), values.draw(lines), values).text()
                            : REPEATED);
        }
        return String.join("\n", context);
    }

    /** Different keys, none of those that are taken. */
    private List<String> distinct(StableRandom random, int count, Set<String> taken) {
        List<String> drawn = new ArrayList<>();
        Set<String> all = new HashSet<>(taken);
        while (drawn.size() < count) {
            String key = keys.draw(random);
            if (all.add(key)) {
                drawn.add(key);
            }
        }
        return drawn;
    }

    private RecallItem asked(
            String hidden, List<String> queries, List<Needle> needles, List<String> answers) {
        boolean isOne = numQueries * numValues == 1;
        String kind = values.plural;
        String one = kind.substring(0, kind.length() - 1);
        String query =
                queries.size() == 1
                        ? queries.get(0)
                        : String.join(", ", queries.subList(0, queries.size() - 1))
                                + ", and "
                                + queries.get(queries.size() - 1);
        String before =
                isOne
                        ? "A special magic "
                                + one
                                + " is hidden within the following text. Make sure to memorize it. I"
                                + " will quiz you about the "
                                + one
                                + " afterwards.\n"
                        : "Some special magic "
                                + kind
                                + " are hidden within the following text. Make sure to memorize it."
                                + " I will quiz you about the "
                                + kind
                                + " afterwards.\n";
        String question =
                (isOne
                                ? "\nWhat is the special magic " + one
                                : "\nWhat are all the special magic " + kind)
                        + " for "
                        + query
                        + " mentioned in the provided text?";
        String prefix =
                " The special magic "
                        + (isOne ? one : kind)
                        + " for "
                        + query
                        + " mentioned in the provided text "
                        + (isOne ? "is" : "are");
        int start = Integer.MAX_VALUE;
        int end = 0;
        for (Needle needle : needles) {
            int at = hidden.indexOf(needle.text());
            if (queries.contains(needle.key()) && at < start) {
                start = at;
                end = at + needle.text().length();
            }
        }
        double depth = (double) start / Math.max(1, hidden.length() - (end - start));
        return new RecallItem(
                before + hidden + question,
                prefix,
                answers,
                before.length() + start,
                before.length() + end,
                Map.of("depth", depth));
    }

    @Override
    public double score(RecallItem item, String answer) {
        return References.share(item.references(), answer);
    }
}
