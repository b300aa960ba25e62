package dev.tegu.checkpoint;

import java.util.List;

/**
 * What a file says of one tensor.
 *
 * @param shape dimensions, outermost first; empty for a single number
 * @param offset bytes from the start of the file to the first element; -1 in an archive, where no
 *     one stretch of the file need be the tensor
 * @param byteLength number of elements times bytes of one
 */
public record TensorInfo(String name, DType dtype, List<Long> shape, long offset, long byteLength) {

    public TensorInfo {
        shape = List.copyOf(shape);
    }

    /** Dimensions as an array of its own. */
    public long[] dimensions() {
        return shape.stream().mapToLong(Long::longValue).toArray();
    }

    public long elementCount() {
        return byteLength / dtype.byteSize();
    }

    /**
     * Bytes of a tensor.
     *
     * @throws ArithmeticException if the count does not fit 63 bits
     */
    static long byteLength(DType dtype, List<Long> shape) {
        long bytes = dtype.byteSize();
        for (long dimension : shape) {
            bytes = Math.multiplyExact(bytes, dimension);
        }
        return bytes;
    }
}
