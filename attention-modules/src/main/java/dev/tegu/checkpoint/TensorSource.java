package dev.tegu.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.List;

/**
 * A tensor to be written, whose bytes are fetched when its turn comes.
 *
 * @param shape dimensions, outermost first
 * @param body writes the bytes, row-major and little-endian
 */
public record TensorSource(DType dtype, List<Long> shape, Body body) {

    /** Writes the bytes of one tensor, in as many pieces as it likes. */
    @FunctionalInterface
    public interface Body {
        void writeTo(WritableByteChannel channel) throws IOException;
    }

    /** Fetches the bytes of one tensor, from position to limit. */
    @FunctionalInterface
    public interface Bytes {
        ByteBuffer get() throws IOException;
    }

    public TensorSource {
        shape = List.copyOf(shape);
    }

    /** A tensor of less than 2 GiB, its bytes fetched at once and let go after writing. */
    public static TensorSource of(DType dtype, List<Long> shape, Bytes bytes) {
        return new TensorSource(
                dtype, shape, channel -> FileBytes.drain(bytes.get().duplicate(), channel));
    }

    /** A tensor copied as it is from an open file, piece by piece. */
    public static TensorSource of(WeightFile file, String name) {
        TensorInfo info = file.info(name);
        return new TensorSource(info.dtype(), info.shape(), channel -> file.writeTo(name, channel));
    }

    /**
     * Bytes that dtype and shape ask for.
     *
     * @throws IllegalArgumentException if a dimension is negative or the count overflows 63 bits
     */
    public long byteLength() {
        if (shape.stream().anyMatch(dimension -> dimension < 0)) {
            throw new IllegalArgumentException("shape " + shape + " has a negative dimension");
        }
        try {
            return TensorInfo.byteLength(dtype, shape);
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("shape " + shape + " is too large", e);
        }
    }
}
