package dev.tegu.eval.probe;

import dev.tegu.eval.probe.ProbeDocument.Question;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Lists of records, then questions about some of them: associative recall in plain text.
 *
 * <pre>
 * Records:
 * nitulu: white
 * vole: 7098
 * Questions:
 * What is the value of vole? 7098
 * What is the value of nitulu? white
 * </pre>
 *
 * <p>Keys are different {@linkplain InventedWords invented words}. A value is, with equal chances,
 * a number from 100 to 9999, a colour, a good, or an invented word that is no key of the document;
 * two keys may have the same value. Every key is asked about at most once.
 */
public final class RecallDocuments {
    private static final List<String> COLOURS =
            List.of(
                    "white", "black", "red", "green", "blue", "yellow", "brown", "grey", "orange",
                    "purple");
    private static final List<String> GOODS =
            List.of(
                    "wool", "salt", "copper", "timber", "honey", "iron", "grain", "fish", "silk",
                    "paper", "wine", "glass");

    /** Records of a document at most. */
    public static final int MOST = 10_000;

    private RecallDocuments() {}

    /**
     * One document.
     *
     * @param records number of records, 1 to 10,000
     * @param questions number of questions, 1 to {@code records}
     * @throws IllegalArgumentException if a number is out of range
     */
    public static ProbeDocument generate(StableRandom random, int records, int questions) {
        if (records < 1 || records > 10_000) {
            throw new IllegalArgumentException("records: expected 1 to 10000, found " + records);
        }
        if (questions < 1 || questions > records) {
            throw new IllegalArgumentException(
                    "questions: expected 1 to " + records + ", found " + questions);
        }
        List<String> keys = InventedWords.distinct(random, records);
        Set<String> taken = Set.copyOf(keys);
        List<Question> all = new ArrayList<>();
        StringBuilder context = new StringBuilder("Records:");
        for (String key : keys) {
            String value = value(random, taken);
            context.append('\n').append(key).append(": ").append(value);
            all.add(
                    new Question(
                            "\nWhat is the value of " + key + "?", " " + value, context.length()));
        }
        context.append("\nQuestions:");
        return new ProbeDocument(context.toString(), random.shuffled(all).subList(0, questions));
    }

    private static String value(StableRandom random, Set<String> keys) {
        return switch (random.nextInt(4)) {
            case 0 -> Integer.toString(random.between(100, 9999));
            case 1 -> random.pick(COLOURS);
            case 2 -> random.pick(GOODS);
            default -> {
                String word = InventedWords.next(random);
                while (keys.contains(word)) {
                    word = InventedWords.next(random);
                }
                yield word;
            }
        };
    }
}
