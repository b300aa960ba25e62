package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;

/**
 * Turns the bytes of a checkpoint into float32 tensors and back.
 *
 * <p>On the CPU a float32 tensor is the mapped file itself, not a copy, and must not be written to;
 * float16 and bfloat16 become float32 one tensor at a time. bfloat16 is done by hand: DJL aborts
 * the JVM when that type is named.
 */
public final class TensorCodec {
    private TensorCodec() {}

    /**
     * @param manager owner of the result
     * @param bytes values, direct (mapped)
     * @param shape shape of the result
     * @return float32
     * @throws CheckpointException if the type cannot hold weights
     */
    public static NDArray decode(NDManager manager, ByteBuffer bytes, DType dtype, long[] shape) {
        Shape dims = new Shape(shape);
        return switch (dtype) {
            case F32 -> manager.create(bytes, dims, DataType.FLOAT32);
            case BF16 -> owned(manager.create(widen(bytes), dims, DataType.FLOAT32));
            case F16 -> {
                try (NDArray half = manager.create(bytes, dims, DataType.FLOAT16)) {
                    yield half.toType(DataType.FLOAT32, true);
                }
            }
            default -> throw unsupported(dtype);
        };
    }

    /**
     * As {@link #decode}, for tensors that are trained: a copy of its own. Writing into a mapped
     * file, which is open for reading, would end the JVM.
     */
    public static NDArray decodeWritable(
            NDManager manager, ByteBuffer bytes, DType dtype, long[] shape) {
        return owned(decode(manager, bytes, dtype, shape));
    }

    /**
     * Moves an array whose values stand in a Java buffer into memory of libtorch's, which is
     * aligned: kernels sum in another order on other alignments, and where Java puts a buffer
     * differs from run to run, so that one resumed from a checkpoint would differ in the last bits.
     *
     * @param array closed here
     */
    public static NDArray owned(NDArray array) {
        try (array) {
            return array.duplicate();
        }
    }

    /**
     * @param tensor float32
     * @param dtype type of the file
     * @return little-endian values, rounded to nearest, ties to even, where the type is narrower
     */
    public static ByteBuffer encode(NDArray tensor, DType dtype) {
        return switch (dtype) {
            case F32 -> tensor.toByteBuffer();
            case BF16 -> narrow(tensor.toFloatArray());
            case F16 -> {
                try (NDArray half = tensor.toType(DataType.FLOAT16, true)) {
                    yield half.toByteBuffer();
                }
            }
            default -> throw unsupported(dtype);
        };
    }

    private static CheckpointException unsupported(DType dtype) {
        return new CheckpointException(
                "dtype " + dtype + " cannot hold weights; expected F32, F16 or BF16");
    }

    /** A bfloat16 is the upper half of a float32. */
    private static ByteBuffer widen(ByteBuffer bytes) {
        ShortBuffer in = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN).asShortBuffer();
        int size = in.remaining();
        ByteBuffer out =
                ByteBuffer.allocateDirect(Math.multiplyExact(size, Float.BYTES))
                        .order(ByteOrder.nativeOrder());
        FloatBuffer floats = out.asFloatBuffer();
        for (int i = 0; i < size; i++) {
            floats.put(i, Float.intBitsToFloat(in.get(i) << 16));
        }
        return out;
    }

    private static ByteBuffer narrow(float[] values) {
        ByteBuffer out =
                ByteBuffer.allocate(Math.multiplyExact(values.length, Short.BYTES))
                        .order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            int bits = Float.floatToRawIntBits(value);
            // NaN keeps a mantissa bit; anything else rounds half to even by carry
            int rounded = Float.isNaN(value) ? bits | 0x400000 : bits + 0x7fff + ((bits >> 16) & 1);
            out.putShort((short) (rounded >>> 16));
        }
        return out.flip();
    }
}
