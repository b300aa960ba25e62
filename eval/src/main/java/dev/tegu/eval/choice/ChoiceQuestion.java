package dev.tegu.eval.choice;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalInt;

/**
 * A question as tokens: what stands before, and each answer that may follow.
 *
 * @param name names the question in errors, for example {@code astronomy/3}
 * @param subject group for averages, for example {@code astronomy}
 * @param bos BOS id, when the context begins with it; empty when the context begins with its text
 * @param context token ids of everything before the answer, at least one
 * @param choices the answers, at least two
 * @param gold index of the right answer
 */
public record ChoiceQuestion(
        String name,
        String subject,
        OptionalInt bos,
        int[] context,
        List<Choice> choices,
        int gold) {

    /**
     * An answer.
     *
     * @param text the answer as it follows the context, its leading space included: {@code " A"}
     * @param ids tokens that are scored, at least one
     * @param splitsToken whether context and answer as one text have a token that reaches over the
     *     border between them; then {@code ids} are not all of the answer
     */
    public record Choice(String text, int[] ids, boolean splitsToken) {
        /** Length that {@code acc_norm} divides by: Unicode code points, as Python counts. */
        int characters() {
            String bare = bare();
            return bare.codePointCount(0, bare.length());
        }

        /** Length that {@code acc_bytes} divides by. */
        int bytes() {
            return bare().getBytes(StandardCharsets.UTF_8).length;
        }

        /** The text without the space that parts it from the context. */
        private String bare() {
            return text.startsWith(" ") ? text.substring(1) : text;
        }
    }

    /**
     * @throws IllegalArgumentException if the question cannot be scored: no context, fewer than two
     *     answers, an answer without text or tokens, no right one among them
     */
    public ChoiceQuestion {
        choices = List.copyOf(choices);
        if (context.length == 0) {
            throw fault(name, "no token stands before the answers, so none can be scored; add BOS");
        }
        if (bos.isPresent() && context[0] != bos.getAsInt()) {
            throw fault(name, "said to begin with BOS " + bos.getAsInt() + ", found " + context[0]);
        }
        if (choices.size() < 2) {
            throw fault(name, "expected two or more answers, found " + choices.size());
        }
        if (gold < 0 || gold >= choices.size()) {
            throw fault(
                    name, "the right answer has index " + gold + ", there are " + choices.size());
        }
        for (int i = 0; i < choices.size(); i++) {
            Choice choice = choices.get(i);
            if (choice.characters() == 0) {
                throw fault(name, "answer " + i + " is empty, lengths divide its score");
            }
            if (choice.ids().length == 0) {
                throw fault(
                        name,
                        "answer `"
                                + choice.text()
                                + "` has no token of its own, its first characters belong to the"
                                + " context's last token; begin the answer with a space");
            }
        }
    }

    /** Whether every answer is one token: then all can be read from one position's logits. */
    boolean isSingleToken() {
        return choices.stream().allMatch(choice -> choice.ids().length == 1);
    }

    /**
     * @throws IllegalArgumentException if an answer is several tokens
     */
    void requireSingleToken() {
        for (Choice choice : choices) {
            if (choice.ids().length > 1) {
                throw fault(
                        name,
                        "answer `"
                                + choice.text()
                                + "` is "
                                + choice.ids().length
                                + " tokens of this tokenizer; this task compares answers of one"
                                + " token, score it with answers of any length");
            }
        }
    }

    /** Tokens of the context and its longest answer. */
    int longest() {
        return context.length
                + choices.stream().mapToInt(choice -> choice.ids().length).max().orElseThrow();
    }

    /** An error that names the question. */
    static IllegalArgumentException fault(String name, String what) {
        return new IllegalArgumentException("question `" + name + "`: " + what);
    }
}
