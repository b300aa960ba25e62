package dev.tegu.eval.choice;

import dev.tegu.eval.choice.ChoiceQuestion.Choice;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/**
 * Turns texts into questions, splitting context and answer as lm-evaluation-harness does ({@code
 * TemplateLM._encode_pair}).
 *
 * <p>White space at the end of the context moves to the front of every answer. Context and answer
 * are tokenized as one text, the context also alone; the answer's tokens are those of the one text
 * after as many as the context has. Where a token reaches over the border ({@link
 * Choice#splitsToken}) the model is shown the context's own tokens followed by that rest, which is
 * not the text: kept, because the published numbers are made so, and counted in the result.
 *
 * <p>BOS is put before the context or not, as the constructor says, whatever the tokenizer's own
 * habit; {@link dev.tegu.eval.probe.TokenizedProbe#bos} tells that habit. An empty context needs
 * BOS.
 */
public final class QuestionEncoder {
    private final TextTokenizer tokenizer;
    private final OptionalInt bos;

    /**
     * @param tokenizer the tokenizer that the model was trained with
     * @param addsBos whether every context begins with BOS
     * @throws IllegalArgumentException if the tokenizer has no BOS to add
     */
    public QuestionEncoder(TextTokenizer tokenizer, boolean addsBos) {
        this.tokenizer = tokenizer;
        this.bos = addsBos ? tokenizer.bosId() : OptionalInt.empty();
        if (addsBos && bos.isEmpty()) {
            throw new IllegalArgumentException(
                    "BOS was asked for and the tokenizer has none; score without BOS");
        }
    }

    /**
     * Tokenizes a question.
     *
     * @param name names the question in errors
     * @param subject group for averages
     * @param context text before the answer, without BOS
     * @param answers texts that may follow, with their leading space: {@code " A"}
     * @param gold index of the right answer
     * @throws IllegalArgumentException if the question cannot be scored, or the context spells BOS
     *     at its start, which would make the record of BOS untrue
     */
    public ChoiceQuestion encode(
            String name, String subject, String context, List<String> answers, int gold) {
        String stripped = context.substring(0, endWithoutSpace(context));
        String space = context.substring(stripped.length());
        int[] before = tokenizer.encode(stripped, false);
        if (before.length > 0 && tokenizer.bosId().equals(OptionalInt.of(before[0]))) {
            throw ChoiceQuestion.fault(
                    name, "the context's text begins with BOS; remove it and ask for BOS instead");
        }
        List<Choice> choices =
                answers.stream().map(answer -> choice(stripped, before, space, answer)).toList();
        int[] ids = IntStream.concat(bos.stream(), Arrays.stream(before)).toArray();
        return new ChoiceQuestion(name, subject, bos, ids, choices, gold);
    }

    private Choice choice(String context, int[] before, String space, String answer) {
        int[] whole = tokenizer.encode(context + space + answer, false);
        int shared = Math.min(before.length, whole.length);
        boolean splits =
                shared < before.length || !Arrays.equals(before, 0, shared, whole, 0, shared);
        return new Choice(answer, Arrays.copyOfRange(whole, shared, whole.length), splits);
    }

    /** White space is what Python's {@code str.rstrip} takes away: non-breaking spaces too. */
    private static int endWithoutSpace(String text) {
        int end = text.length();
        while (end > 0 && isSpace(text.charAt(end - 1))) {
            end--;
        }
        return end;
    }

    private static boolean isSpace(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
    }
}
