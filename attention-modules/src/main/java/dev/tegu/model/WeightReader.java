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
    NDArray read(HuggingFaceDirectory files, ModelLayout.Entry entry) throws IOException {
        String name = entry.name();
        TensorInfo info = files.info(name);
        ByteBuffer bytes = bytes(files, entry, info.dtype().byteSize());
        long[] dimensions = entry.shape().stream().mapToLong(n -> n).toArray();
        Shape shape = new Shape(dimensions);
        if (info.dtype() == DType.BF16) {
            try (NDArray bits = manager.create(bytes, shape, DataType.FLOAT16)) {
                return cast(name, "from_bfloat16", bits);
            }
        }
        if (type == DType.F32) {
            // a Java buffer's values move into aligned memory, see TensorCodec.owned
            boolean isGathered =
                    entry.part().isPresent() && !entry.part().get().isOnePiece(dimensions[0]);
            return writable || isGathered
                    ? TensorCodec.decodeWritable(manager, bytes, info.dtype(), dimensions)
                    : TensorCodec.decode(manager, bytes, info.dtype(), dimensions);
        }
        if (info.dtype() == type) {
            return TensorCodec.owned(manager.create(bytes, shape, DataType.FLOAT16));
        }
        try (NDArray wide = TensorCodec.decode(manager, bytes, info.dtype(), dimensions)) {
            return cast(name, "narrow", wide);
        }
    }

    /** The values of a tensor: the mapped file where they lie in one piece, else gathered. */
    private static ByteBuffer bytes(
            HuggingFaceDirectory files, ModelLayout.Entry entry, int itemBytes) throws IOException {
        if (entry.part().isEmpty()) {
            return files.map(entry.name());
        }
        StoredPart part = entry.part().get();
        long rows = entry.shape().get(0);
        int inner = entry.shape().size() == 1 ? 1 : Math.toIntExact(entry.shape().get(1));
        int rowBytes = inner * itemBytes;
        int size = Math.toIntExact(rows * rowBytes);
        if (part.isOnePiece(rows)) {
            return files.map(entry.name(), part.at(0) * rowBytes, size);
        }
        ByteBuffer whole = files.map(entry.name());
        ByteBuffer gathered = ByteBuffer.allocateDirect(size).order(whole.order());
        if (part.transposed()) {
            int width = Math.toIntExact(part.stored().get(1));
            gatherColumns(whole, gathered, part, new int[] {(int) rows, inner, width, itemBytes});
        } else {
            for (int row = 0; row < rows; row++) {
                int at = Math.toIntExact(part.at(row) * rowBytes);
                gathered.put(row * rowBytes, whole, at, rowBytes);
            }
        }
        return gathered;
    }

    /**
     * @param sizes rows and width of the part, width of the stored tensor, bytes of an item
     */
    private static void gatherColumns(
            ByteBuffer whole, ByteBuffer gathered, StoredPart part, int... sizes) {
        int inner = sizes[1];
        int itemBytes = sizes[3];
        for (int row = 0; row < sizes[0]; row++) {
            int column = (int) part.at(row);
            for (int c = 0; c < inner; c++) {
                int from = (c * sizes[2] + column) * itemBytes;
                int to = (row * inner + c) * itemBytes;
                if (itemBytes == Float.BYTES) {
                    gathered.putInt(to, whole.getInt(from));
                } else {
                    gathered.putShort(to, whole.getShort(from));
                }
            }
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
