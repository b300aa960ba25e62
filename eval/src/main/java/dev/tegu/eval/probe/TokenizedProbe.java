package dev.tegu.eval.probe;

import dev.tegu.eval.probe.ProbeDocument.Question;
import dev.tegu.model.TokenScores;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/**
 * A probe document as token ids, with the place of every answer.
 *
 * <p>The document is tokenised as one text, after BOS when the tokenizer adds one, and split by the
 * token counts of its prefixes. Where a token reaches over the border of prompt and answer, so that
 * a prefix of the text is no prefix of the ids, the pieces are tokenised one by one instead; then
 * no answer depends on what stands beside it.
 *
 * @param ids the document's token ids, the last answer last
 * @param answers the span of each answer in {@code ids}, in the order of the questions
 */
public record TokenizedProbe(int[] ids, List<Span> answers) {

    /**
     * Tokens {@code from..to-1}.
     *
     * @param from first token, at least 1, since a model cannot predict the first of a sequence
     * @param to one past the last token, above {@code from}
     * @param distance how many tokens before the one that the first token is predicted at, the last
     *     token of the fact stands; a window of as many tokens or fewer does not see it whole
     */
    public record Span(int from, int to, int distance) {
        /**
         * @throws IllegalArgumentException if the span is empty or begins before token 1
         */
        public Span {
            if (from < 1 || to <= from) {
                throw new IllegalArgumentException(
                        "answer: expected one or more tokens after the first one, found span "
                                + from
                                + " to "
                                + to);
            }
        }
    }

    /** Tokenises a document. */
    public static TokenizedProbe of(TextTokenizer tokenizer, ProbeDocument document) {
        List<String> pieces = new ArrayList<>();
        String before = document.context();
        for (Question question : document.questions()) {
            pieces.add(before + question.prompt());
            pieces.add(question.answer());
            before = "";
        }
        int[] bos = bos(tokenizer);
        int[] whole = join(bos, tokenizer.encode(document.text(), false));
        int[] ends = new int[pieces.size()];
        StringBuilder prefix = new StringBuilder();
        for (int i = 0; i < ends.length; i++) {
            prefix.append(pieces.get(i));
            int[] ids = join(bos, tokenizer.encode(prefix.toString(), false));
            if (ids.length > whole.length
                    || !Arrays.equals(ids, 0, ids.length, whole, 0, ids.length)) {
                return piecewise(tokenizer, bos, pieces, document);
            }
            ends[i] = ids.length;
        }
        return new TokenizedProbe(whole, spans(tokenizer, bos, document, ends));
    }

    /**
     * Share of the answers that greedy decoding would give token for token, 0 to 1.
     *
     * @param distance only answers whose fact is at least that far away count, 0 for all
     * @return empty if there are none
     */
    public OptionalDouble exactShare(TokenScores scores, int distance) {
        return answers.stream()
                .filter(span -> span.distance() >= distance)
                .mapToDouble(span -> scores.isGreedy(span.from(), span.to()) ? 1 : 0)
                .average();
    }

    /** Whether there is an answer whose fact is at least that far away. */
    public boolean reaches(int distance) {
        return answers.stream().anyMatch(span -> span.distance() >= distance);
    }

    /** The ids that a tokenizer puts before a text: BOS alone, or nothing. */
    public static int[] bos(TextTokenizer tokenizer) {
        int[] marked = tokenizer.encode("a", true);
        boolean adds =
                tokenizer.bosId().isPresent()
                        && marked.length > 0
                        && marked[0] == tokenizer.bosId().getAsInt();
        return adds ? new int[] {marked[0]} : new int[0];
    }

    private static TokenizedProbe piecewise(
            TextTokenizer tokenizer, int[] bos, List<String> pieces, ProbeDocument document) {
        int[] ids = bos;
        int[] ends = new int[pieces.size()];
        for (int i = 0; i < ends.length; i++) {
            ids = join(ids, tokenizer.encode(pieces.get(i), false));
            ends[i] = ids.length;
        }
        return new TokenizedProbe(ids, spans(tokenizer, bos, document, ends));
    }

    private static List<Span> spans(
            TextTokenizer tokenizer, int[] bos, ProbeDocument document, int[] ends) {
        return IntStream.range(0, ends.length / 2)
                .mapToObj(
                        i -> {
                            int factEnd = document.questions().get(i).factEnd();
                            String before = document.context().substring(0, factEnd);
                            int fact = bos.length + tokenizer.encode(before, false).length;
                            return new Span(ends[2 * i], ends[2 * i + 1], ends[2 * i] - fact);
                        })
                .toList();
    }

    private static int[] join(int[] first, int[] second) {
        int[] joined = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, joined, first.length, second.length);
        return joined;
    }
}
