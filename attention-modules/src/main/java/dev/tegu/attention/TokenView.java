package dev.tegu.attention;

import java.util.Arrays;

/**
 * Who sees whom in one row of tokens, worked out token by token: the definition that the fast forms
 * are tested against, and what the pictures of the methods show.
 *
 * <p>Positions count within a text: padding is skipped, a new document starts at 0.
 */
public final class TokenView {
    private final AttentionSpec spec;
    private final int[] position;
    private final int[] text;
    private final int[] textLength;

    /**
     * @param real which tokens are not padding
     * @param document number of the document of each token; a change among real tokens begins a new
     *     text
     */
    public TokenView(AttentionSpec spec, boolean[] real, long[] document) {
        this.spec = spec;
        this.position = new int[real.length];
        this.text = new int[real.length];
        this.textLength = new int[real.length];
        Arrays.fill(text, -1);
        int count = 0;
        int current = -1;
        long last = 0;
        for (int t = 0; t < real.length; t++) {
            if (!real[t]) {
                continue;
            }
            if (current < 0 || document[t] != last) {
                current++;
                count = 0;
            }
            last = document[t];
            text[t] = current;
            position[t] = count++;
        }
        for (int t = 0; t < real.length; t++) {
            textLength[t] = 0;
            for (int u = 0; u < real.length; u++) {
                textLength[t] += real[u] && text[u] == text[t] ? 1 : 0;
            }
        }
    }

    /** A row of one text without padding. */
    public static TokenView of(AttentionSpec spec, int length) {
        boolean[] real = new boolean[length];
        Arrays.fill(real, true);
        return new TokenView(spec, real, new long[length]);
    }

    /** Whether a token is not padding. */
    public boolean isReal(int token) {
        return text[token] >= 0;
    }

    /** Whether key j is in the text of query i and not after it. */
    private boolean isBefore(int i, int j) {
        return isReal(i) && text[i] == text[j] && position[j] <= position[i];
    }

    /** Whether the softmax window of query i holds key j. */
    public boolean inWindow(int i, int j) {
        WindowSpec window = spec.window();
        if (window.size() == 0 || !isBefore(i, j)) {
            return false;
        }
        if (position[j] < window.keepFirst()) {
            return true;
        }
        if (window.shape() == WindowSpec.Shape.SLIDING) {
            return position[i] - position[j] < window.size();
        }
        return block(i) - block(j) <= 1;
    }

    private int block(int t) {
        boolean fromStart = spec.window().anchor() == WindowSpec.Anchor.START;
        int at = fromStart ? position[t] : position[t] - textLength[t];
        return Math.floorDiv(at, spec.window().size());
    }

    /** Whether the linear branch of query i sums over key j. */
    public boolean inLinear(int i, int j) {
        if (!spec.isLinear() || !isBefore(i, j)) {
            return false;
        }
        boolean twice =
                spec.window().anchor() == WindowSpec.Anchor.REFERENCE
                        && textLength[i] <= spec.window().size();
        return !spec.isOutsideWindow() || twice || !inWindow(i, j);
    }

    /** Whether key j is part of the sums that remain after the row's last real token. */
    public boolean inFinalState(int j) {
        int last = -1;
        for (int t = 0; t < text.length; t++) {
            last = isReal(t) ? t : last;
        }
        if (last < 0 || !spec.isLinear() || !isBefore(last, j)) {
            return false;
        }
        boolean kept = position[j] < spec.window().keepFirst();
        boolean near = position[last] - position[j] < spec.window().reach();
        return !spec.isOutsideWindow() || !kept && !near;
    }
}
