package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.engine.TorchScript;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Map;

/**
 * Reads weights of a checkpoint into memory, in one number type. Peak memory is the result and one
 * tensor. On the CPU a float32 tensor is the mapped file itself where it stays as it is.
 */
final class WeightReader implements AutoCloseable {
    private final NDManager manager;
    private final DType type;
    private final boolean writable;
    private final TorchScript casts;

    /**
     * @param manager owner of the weights
     * @param type F32, BF16 or F16
     * @param writable whether the weights are trained: a mapped file must not be written to
     * @throws CheckpointException if weights of that type are not computed with
     */
    WeightReader(NDManager manager, DType type, boolean writable) {
        this.manager = manager;
        this.type = type;
        this.writable = writable;
        this.casts =
                TorchScript.load(WeightReader.class, "casts.py", Map.of("dtype", number(type)));
    }

    /** TorchScript's number of a type. */
    private static long number(DType type) {
        return switch (type) {
            case F16 -> 5;
            case F32 -> 6;
            case BF16 -> 15;
            default ->
                    throw new CheckpointException(
                            "dtype "
                                    + type
                                    + " cannot be computed with; set `dtype` to float32, bfloat16"
                                    + " or float16");
        };
    }

    /**
     * @throws CheckpointException if a value is too large for the type, or the file's type cannot
     *     hold weights
     */
    NDArray read(HuggingFaceDirectory files, String name) throws IOException {
        TensorInfo info = files.info(name);
        ByteBuffer bytes = files.map(name);
        Shape shape = new Shape(info.dimensions());
        if (info.dtype() == DType.BF16) {
            try (NDArray bits = manager.create(bytes, shape, DataType.FLOAT16)) {
                return cast(name, "from_bfloat16", bits);
            }
        }
        if (type == DType.F32) {
            return writable
                    ? TensorCodec.decodeWritable(manager, bytes, info.dtype(), info.dimensions())
                    : TensorCodec.decode(manager, bytes, info.dtype(), info.dimensions());
        }
        if (info.dtype() == type) {
            return TensorCodec.owned(manager.create(bytes, shape, DataType.FLOAT16));
        }
        try (NDArray wide = TensorCodec.decode(manager, bytes, info.dtype(), info.dimensions())) {
            return cast(name, "narrow", wide);
        }
    }

    /**
     * @param wide float32, closed or given back
     * @return the same numbers in this reader's type
     */
    NDArray converted(String name, NDArray wide) {
        if (type == DType.F32) {
            return wide;
        }
        try (wide) {
            return cast(name, "narrow", wide);
        }
    }

    private NDArray cast(String name, String method, NDArray x) {
        NDList out = casts.call(method, new TorchScript.Arguments().add(x));
        try (NDArray lost = out.get(1)) {
            if (lost.getFloat() > 0) {
                throw new CheckpointException(
                        ("`" + name + "`: " + (long) lost.getFloat() + " values are too large")
                                + " for the type of the weights in memory; set `dtype` to bfloat16"
                                + " or float32");
            }
        }
        return out.get(0);
    }

    @Override
    public void close() {
        casts.close();
    }
}
