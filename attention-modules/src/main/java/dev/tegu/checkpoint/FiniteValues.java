package dev.tegu.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.util.List;
import java.util.Optional;

/**
 * Looks for numbers that are infinite or none, in time and in bytes read of the order of the
 * tensor, and constant memory.
 */
public final class FiniteValues {
    /** A multiple of every element's size, so that none is torn. */
    private static final int PIECE_BYTES = 1 << 16;

    private FiniteValues() {}

    /**
     * @param name of a tensor; integers are finite always
     * @return index and value of the first number that is not finite, as a text
     */
    public static Optional<String> firstFault(WeightFile file, String name) throws IOException {
        TensorInfo info = file.info(name);
        if (!info.dtype().isFloat()) {
            return Optional.empty();
        }
        Scanner scanner = new Scanner(info.dtype());
        file.writeTo(name, scanner);
        scanner.scan();
        if (scanner.found < 0) {
            return Optional.empty();
        }
        return Optional.of(
                ("`" + name + "`" + index(info.shape(), scanner.found))
                        + (" is " + (scanner.isNan ? "NaN" : "infinite")));
    }

    /** Place of an element, outermost dimension first. */
    private static String index(List<Long> shape, long element) {
        StringBuilder index = new StringBuilder();
        long rest = element;
        for (int d = shape.size() - 1; d >= 0; d--) {
            index.insert(0, (d == 0 ? "" : ", ") + rest % shape.get(d));
            rest /= shape.get(d);
        }
        return "[" + index + "]";
    }

    /** Takes a tensor's bytes, and keeps the number of the first element that is not finite. */
    private static final class Scanner implements WritableByteChannel {
        private final ByteBuffer piece =
                ByteBuffer.allocate(PIECE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        private final DType dtype;

        /** Bits of the exponent, all set where a number is not finite. */
        private final long exponent;

        private final long mantissa;
        private long scanned;
        private long found = -1;
        private boolean isNan;

        Scanner(DType dtype) {
            this.dtype = dtype;
            int bits =
                    switch (dtype) {
                        case BF16 -> 7;
                        case F16 -> 10;
                        case F32 -> 23;
                        case F64 -> 52;
                        default -> throw new IllegalArgumentException(dtype + " is no float");
                    };
            int all = dtype.byteSize() * Byte.SIZE - 1;
            this.mantissa = (1L << bits) - 1;
            this.exponent = (1L << all) - 1 - mantissa;
        }

        @Override
        public int write(ByteBuffer source) {
            int count = source.remaining();
            while (source.hasRemaining()) {
                int taken = Math.min(source.remaining(), piece.remaining());
                piece.put(source.slice().limit(taken));
                source.position(source.position() + taken);
                if (!piece.hasRemaining()) {
                    scan();
                }
            }
            return count;
        }

        /** Looks through what has come in. */
        void scan() {
            piece.flip();
            int size = dtype.byteSize();
            for (int at = 0; found < 0 && at < piece.limit(); at += size) {
                long bits =
                        switch (size) {
                            case 2 -> piece.getShort(at);
                            case 4 -> piece.getInt(at);
                            default -> piece.getLong(at);
                        };
                if ((bits & exponent) == exponent) {
                    found = (scanned + at) / size;
                    isNan = (bits & mantissa) != 0;
                }
            }
            scanned += piece.limit();
            piece.clear();
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {
            // There is nothing to close.
        }
    }
}
