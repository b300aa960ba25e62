package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.checkpoint.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Tensors of {@link AttentionProbe} from and to safetensors files, half precision as float32. */
final class ProbeTensors {
    private ProbeTensors() {}

    /**
     * Reads every tensor of a file whose header {@link ProbeInputs} has checked.
     *
     * @return floats in float64 or float32; {@code mask} as int64 ones and zeros, whatever its
     *     type; {@code document} as int64
     */
    static Map<String, NDArray> read(SafetensorsFile file, NDManager manager) throws IOException {
        Map<String, NDArray> tensors = new TreeMap<>();
        for (TensorInfo info : file.tensors().values()) {
            ByteBuffer bytes = file.map(info.name()).order(ByteOrder.LITTLE_ENDIAN);
            Shape shape = new Shape(info.dimensions());
            boolean isMask = info.name().equals(ProbeInputs.MASK);
            tensors.put(
                    info.name(),
                    isMask
                            ? manager.create(ones(info, bytes), shape)
                            : array(info, bytes, shape, manager));
        }
        return tensors;
    }

    private static NDArray array(
            TensorInfo info, ByteBuffer bytes, Shape shape, NDManager manager) {
        int size = Math.toIntExact(info.elementCount());
        switch (info.dtype()) {
            case F64 -> {
                double[] values = new double[size];
                bytes.asDoubleBuffer().get(values);
                return manager.create(values, shape);
            }
            case I64 -> {
                long[] values = new long[size];
                bytes.asLongBuffer().get(values);
                return manager.create(values, shape);
            }
            case BF16 -> {
                float[] values = new float[size];
                for (int i = 0; i < size; i++) {
                    // the upper half of a float32
                    values[i] = Float.intBitsToFloat(bytes.getShort(2 * i) << 16);
                }
                return manager.create(values, shape);
            }
            case F16 -> {
                try (NDArray half = manager.create(bytes, shape, DataType.FLOAT16)) {
                    return half.toType(DataType.FLOAT32, true);
                }
            }
            case F32 -> {
                float[] values = new float[size];
                bytes.asFloatBuffer().get(values);
                return manager.create(values, shape);
            }
            default -> throw new IllegalArgumentException("no probe reads " + info.dtype());
        }
    }

    /** 1 where a number is not 0. */
    private static long[] ones(TensorInfo info, ByteBuffer bytes) {
        long[] ones = new long[Math.toIntExact(info.elementCount())];
        for (int i = 0; i < ones.length; i++) {
            boolean isOne =
                    switch (info.dtype()) {
                        case F64 -> bytes.getDouble(8 * i) != 0;
                        case F32 -> bytes.getFloat(4 * i) != 0;
                        case I64 -> bytes.getLong(8 * i) != 0;
                        case BOOL, U8 -> bytes.get(i) != 0;
                        default -> throw new IllegalArgumentException("no mask of " + info.dtype());
                    };
            ones[i] = isOne ? 1 : 0;
        }
        return ones;
    }

    /** The values of an array, copied now: float32, float64 or int64. */
    static TensorSource source(NDArray array) {
        List<Long> shape = Arrays.stream(array.getShape().getShape()).boxed().toList();
        DataType type = array.getDataType();
        DType dtype =
                switch (type) {
                    case FLOAT32 -> DType.F32;
                    case FLOAT64 -> DType.F64;
                    case INT64 -> DType.I64;
                    default -> throw new IllegalArgumentException("no probe gives " + type);
                };
        ByteBuffer bytes =
                ByteBuffer.allocate(Math.toIntExact(array.size() * dtype.byteSize()))
                        .order(ByteOrder.LITTLE_ENDIAN);
        switch (dtype) {
            case F64 -> bytes.asDoubleBuffer().put(array.toDoubleArray());
            case I64 -> bytes.asLongBuffer().put(array.toLongArray());
            default -> bytes.asFloatBuffer().put(array.toFloatArray());
        }
        return TensorSource.of(dtype, shape, bytes::duplicate);
    }
}
