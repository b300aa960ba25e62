package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.checkpoint.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Tensors of {@link AttentionProbe} from and to safetensors files, without a change of type. */
final class ProbeTensors {
    private ProbeTensors() {}

    /**
     * Reads every tensor of a file.
     *
     * @throws CheckpointException if the file is damaged, or a tensor is neither F32 nor F64, or
     *     the types differ
     */
    static Map<String, NDArray> read(Path path, NDManager manager) throws IOException {
        Map<String, NDArray> tensors = new TreeMap<>();
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            DType first = null;
            for (TensorInfo info : file.tensors().values()) {
                DType dtype = info.dtype();
                first = first == null ? dtype : first;
                boolean known = dtype == DType.F32 || dtype == DType.F64;
                if (!known || dtype != first) {
                    throw new CheckpointException(
                            (path + ": `" + info.name() + "`: expected F32 or F64, one type for")
                                    + (" all tensors, found "
                                            + dtype
                                            + "; convert the file first"));
                }
                tensors.put(info.name(), array(info, file.map(info.name()), manager));
            }
        }
        return tensors;
    }

    private static NDArray array(TensorInfo info, ByteBuffer bytes, NDManager manager) {
        Shape shape = new Shape(info.dimensions());
        ByteBuffer ordered = bytes.order(ByteOrder.LITTLE_ENDIAN);
        int size = Math.toIntExact(info.elementCount());
        if (info.dtype() == DType.F64) {
            double[] values = new double[size];
            ordered.asDoubleBuffer().get(values);
            return manager.create(values, shape);
        }
        float[] values = new float[size];
        ordered.asFloatBuffer().get(values);
        return manager.create(values, shape);
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
