package dev.tegu.eval;

import dev.tegu.model.TokenScores;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** Cuts a text's tokens into the sequences that a perplexity is measured over. */
final class TextWindows {
    /**
     * One sequence for the model.
     *
     * @param ids what the model is given, the last token only to be rated
     * @param scoredFrom index of the first token that counts, 1 or more; all after it count
     * @param textEnd tokens of the text that this and the windows before reach over
     */
    record Window(int[] ids, int scoredFrom, int textEnd) {
        /** Tokens that count. */
        int scored() {
            return ids.length - scoredFrom;
        }

        /** NLL of each of them. */
        double[] losses(TokenScores scores) {
            return IntStream.range(scoredFrom, ids.length)
                    .mapToDouble(t -> -scores.logProbs()[t - 1])
                    .toArray();
        }

        /** Those tokens. */
        int[] scoredIds() {
            return Arrays.copyOfRange(ids, scoredFrom, ids.length);
        }
    }

    private TextWindows() {}

    /**
     * Disjoint windows.
     *
     * @param bos what stands before each window, nothing or BOS
     * @param context longest sequence, 2 or more
     */
    static List<Window> disjoint(int[] ids, int[] bos, int context) {
        List<Window> windows = new ArrayList<>();
        for (int from = 0; from < ids.length; from += context - 1) {
            int to = Math.min(from + context - 1, ids.length);
            int[] window = join(bos, Arrays.copyOfRange(ids, from, to));
            if (window.length > 1) {
                windows.add(new Window(window, 1, to));
            }
        }
        return windows;
    }

    /**
     * Rolling windows as lm-evaluation-harness makes them with a context of one token: every token
     * is rated once; the model reads {@code context} tokens at most. The last window, which has
     * fewer tokens to rate, begins as far back as fits.
     *
     * @param prefix what stands before the first token
     * @param context longest input, 1 or more; a sequence has one token more, which is only rated
     */
    static List<Window> rolling(int[] ids, int prefix, int context) {
        int[] all = join(new int[] {prefix}, ids);
        List<Window> windows = new ArrayList<>();
        for (int from = 0; from < ids.length; from += context) {
            int to = Math.min(from + context, ids.length);
            // Ids from..to-1 of the text are from+1..to of all; one more stands before them.
            int begin = from == 0 ? 0 : to - context;
            windows.add(new Window(Arrays.copyOfRange(all, begin, to + 1), from - begin + 1, to));
        }
        return windows;
    }

    /**
     * Overlapping windows as HuggingFace's documentation of perplexity makes them: each begins
     * {@code stride} tokens after the one before; the tokens count that no window before reached.
     * Its first token of all is not rated, nor, where windows do not overlap, that of any.
     *
     * @param bos what the text begins with, nothing or BOS
     * @param context longest sequence, 2 or more
     * @param stride 1 to the context
     */
    static List<Window> strided(int[] ids, int[] bos, int context, int stride) {
        int[] all = join(bos, ids);
        List<Window> windows = new ArrayList<>();
        int reached = 0;
        for (int from = 0; reached < all.length; from += stride) {
            int to = Math.min(from + context, all.length);
            int scoredFrom = Math.max(reached - from, 1);
            if (to - from > scoredFrom) {
                int[] window = Arrays.copyOfRange(all, from, to);
                windows.add(new Window(window, scoredFrom, to - bos.length));
            }
            reached = to;
        }
        return windows;
    }

    /**
     * What the harness puts before a text: BOS, or EOS of a tokenizer without it, whether the
     * tokenizer adds it of itself or not.
     *
     * @throws IllegalArgumentException if there is neither
     */
    static int prefix(TextTokenizer tokenizer, String task) {
        OptionalInt prefix = tokenizer.bosId().isPresent() ? tokenizer.bosId() : tokenizer.eosId();
        return prefix.orElseThrow(
                () ->
                        new IllegalArgumentException(
                                task
                                        + ": the tokenizer has neither BOS nor EOS to put before the"
                                        + " first token; use perplexity.convention=disjoint"));
    }

    private static int[] join(int[] before, int[] after) {
        return IntStream.concat(Arrays.stream(before), Arrays.stream(after)).toArray();
    }
}
