package dev.tegu.tokenizer;

import java.util.Arrays;

/**
 * Text of tokens as they arrive, piece by piece.
 *
 * <p>A token alone has no text of its own: it may be part of a character, and whether it begins
 * with a space may depend on what stands before it. So each piece is the difference between a
 * decoded stretch of tokens with and without the new ones, and is held back while it ends in the
 * middle of a character. The pieces together are the text of all tokens.
 *
 * <p>Time a token O(tokens since the piece before last), not of the whole text. Not thread-safe.
 */
public final class IncrementalDecoder {

    /** Tokens of context that are decoded with the first new ones: more than any character has. */
    private static final int CONTEXT_TOKENS = 32;

    /** Tokens held back at most; more than this are no unfinished character but broken bytes. */
    private static final int MAX_HELD_BACK = 16;

    /** What decoders give for bytes that are not (or not yet) a character. */
    private static final String REPLACEMENT = "\uFFFD";

    private final TextTokenizer tokenizer;
    private final boolean skipSpecialTokens;

    /** Tokens of the last piece, then those not yet given out. */
    private int[] stretch;

    private int count;
    private int given;

    /**
     * @param context tokens that stand before the first one, such as the prompt; their text is not
     *     given out
     * @param skipSpecialTokens whether marks such as BOS are left out of the text
     */
    public IncrementalDecoder(TextTokenizer tokenizer, int[] context, boolean skipSpecialTokens) {
        this.tokenizer = tokenizer;
        this.skipSpecialTokens = skipSpecialTokens;
        int from = Math.max(0, context.length - CONTEXT_TOKENS);
        this.stretch = Arrays.copyOfRange(context, from, context.length);
        this.count = stretch.length;
        this.given = count;
    }

    /**
     * Takes the next token.
     *
     * @return the text that has become certain, often empty
     */
    public String add(int id) {
        if (count == stretch.length) {
            stretch = Arrays.copyOf(stretch, 2 * count + 8);
        }
        stretch[count++] = id;
        String piece = pending();
        boolean isUnfinished = piece.endsWith(REPLACEMENT) && count - given <= MAX_HELD_BACK;
        if (piece.isEmpty() || isUnfinished) {
            return "";
        }
        stretch = Arrays.copyOfRange(stretch, given, count);
        count = stretch.length;
        given = count;
        return piece;
    }

    /** The text still held back: what an unfinished character decodes to. */
    public String finish() {
        String piece = pending();
        given = count;
        return piece;
    }

    private String pending() {
        String before = decode(given);
        String now = decode(count);
        return now.length() > before.length() ? now.substring(before.length()) : "";
    }

    private String decode(int tokens) {
        return tokenizer.decode(Arrays.copyOf(stretch, tokens), skipSpecialTokens);
    }
}
