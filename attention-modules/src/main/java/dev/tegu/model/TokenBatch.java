package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Optional;

/**
 * Tokens of several rows that a model reads at once, some of which may be padding or belong to
 * different texts.
 *
 * @param ids [B, T] int64; what stands under padding changes nothing but must be a token's id
 * @param mask [B, T] of any number type, 0 where a token is padding, wherever in its row it stands:
 *     it is not seen, has no position and changes no state, and attention gives it 0. Absent: every
 *     token is real
 * @param documents [B, T] int64; where it changes from one real token to the next, a new text
 *     begins: it sees nothing of the one before, and its positions start at 0. The first token
 *     continues the text of a {@link DecoderState} if it has the same number, where a state without
 *     documents so far counts as 0. Absent: each row continues its text
 */
public record TokenBatch(NDArray ids, Optional<NDArray> mask, Optional<NDArray> documents) {
    /** Where padding stands. */
    public enum Side {
        /** Before the tokens, so that the last column holds each row's last token. */
        LEFT,
        /** After the tokens. */
        RIGHT
    }

    /** Refuses shapes that differ. */
    public TokenBatch {
        requireShape("mask", mask, ids.getShape());
        requireShape("documents", documents, ids.getShape());
        if (documents.isPresent() && documents.get().getDataType() != DataType.INT64) {
            throw new IllegalArgumentException(
                    "documents: expected int64, found " + documents.get().getDataType());
        }
    }

    private static void requireShape(String name, Optional<NDArray> array, Shape expected) {
        if (array.isPresent() && !array.get().getShape().equals(expected)) {
            throw new IllegalArgumentException(
                    (name + ": expected the shape of ids, " + expected)
                            + (", found " + array.get().getShape()));
        }
    }

    /** Rows of one text each, without padding: [B, T] int64. */
    public static TokenBatch of(NDArray ids) {
        return new TokenBatch(ids, Optional.empty(), Optional.empty());
    }

    /**
     * Rows of different lengths, padded to the longest; without a mask where all are equally long.
     *
     * @param owner manager of the arrays
     * @param rows token ids; a row without any is padding throughout
     */
    public static TokenBatch padded(NDManager owner, List<int[]> rows, Side side) {
        int longest = rows.stream().mapToInt(row -> row.length).max().orElse(0);
        return padded(owner, rows, side, 0, longest);
    }

    /** Columns {@code from..to-1} of the padded rows; with a mask only if they hold padding. */
    static TokenBatch padded(NDManager owner, List<int[]> rows, Side side, int from, int to) {
        int longest = rows.stream().mapToInt(row -> row.length).max().orElse(0);
        int width = to - from;
        long[] ids = new long[rows.size() * width];
        long[] mask = new long[ids.length];
        boolean isPadded = false;
        for (int row = 0; row < rows.size(); row++) {
            int[] tokens = rows.get(row);
            int lead = side == Side.LEFT ? longest - tokens.length : 0;
            for (int t = 0; t < width; t++) {
                int at = from + t - lead;
                boolean real = at >= 0 && at < tokens.length;
                ids[row * width + t] = real ? tokens[at] : 0;
                mask[row * width + t] = real ? 1 : 0;
                isPadded |= !real;
            }
        }
        Shape shape = new Shape(rows.size(), width);
        return new TokenBatch(
                owner.create(ids, shape),
                isPadded ? Optional.of(owner.create(mask, shape)) : Optional.empty(),
                Optional.empty());
    }

    /** Whether all tokens are real and continue their rows' texts. */
    public boolean isPlain() {
        return mask.isEmpty() && documents.isEmpty();
    }

    int rows() {
        return Math.toIntExact(ids.getShape().get(0));
    }

    int length() {
        return Math.toIntExact(ids.getShape().get(1));
    }
}
