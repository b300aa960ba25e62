package dev.tegu.model;

import java.util.List;
import java.util.Optional;

/**
 * Where a tensor of the decoder lies in a stored one: row r of it is stored row {@code first + r /
 * block * stride + r % block}, or column, if the stored tensor is transposed.
 *
 * @param stored shape of the stored tensor
 * @param first stored row of row 0
 * @param block how many rows lie side by side
 * @param stride stored rows from one block to the next
 * @param transposed whether the stored tensor is [in, out]
 */
public record StoredPart(
        List<Long> stored, long first, long block, long stride, boolean transposed) {

    /** Elements of the stored tensor. */
    long size() {
        return size(stored);
    }

    /** Elements of a tensor. */
    long size(List<Long> shape) {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }

    /** The same of the bias; empty where that is the stored bias. */
    Optional<StoredPart> ofBias() {
        long all = stored.get(transposed ? 1 : 0);
        return block == all
                ? Optional.empty()
                : Optional.of(new StoredPart(List.of(all), first, block, stride, false));
    }

    /** Stored row, or column, of a row. */
    public long at(long row) {
        return first + row / block * stride + row % block;
    }

    /** Whether rows of a map of so many rows are one piece of the file. */
    boolean isOnePiece(long rows) {
        return !transposed && rows <= block;
    }

    /** How many rows have a stored row before the given one; stored rows grow with rows. */
    long rowsBefore(long storedRow) {
        long beyond = storedRow - first;
        if (beyond <= 0) {
            return 0;
        }
        return beyond / stride * block + Math.min(block, beyond % stride);
    }

    /**
     * Copies rows between a stored tensor and this part of it.
     *
     * @param storedRow first row of {@code whole}; 0 of transposed tensors, which are whole
     * @param whole stored rows, row-major
     * @param row first row of {@code rows}
     * @param rows rows of the part, row-major
     * @param count how many rows
     * @param inner width of a row of the part
     * @param gathers whether {@code rows} are filled; otherwise {@code whole} is
     */
    void copy(
            long storedRow,
            float[] whole,
            long row,
            float[] rows,
            int count,
            int inner,
            boolean gathers) {
        int width = stored.size() == 1 ? 1 : Math.toIntExact(stored.get(1));
        for (int r = 0; r < count; r++) {
            int place = Math.toIntExact(at(row + r) - storedRow);
            int from = transposed ? place : place * width;
            int step = transposed ? width : 1;
            for (int c = 0; c < inner; c++) {
                if (gathers) {
                    rows[r * inner + c] = whole[from + c * step];
                } else {
                    whole[from + c * step] = rows[r * inner + c];
                }
            }
        }
    }
}
