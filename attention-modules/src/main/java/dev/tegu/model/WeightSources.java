package dev.tegu.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.engine.Engines;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Where the bytes of a written weight come from: start values, memory, or another file. */
final class WeightSources {
    /** Elements of a block when a weight is rewritten: 4 MiB of float32. */
    private static final long BLOCK_ELEMENTS = 1 << 20;

    private WeightSources() {}

    /** A new parameter at its start value, without the engine. */
    static TensorSource startValues(ModelLayout.Entry entry, long seed) {
        return TensorSource.of(
                DType.F32,
                entry.shape(),
                () -> {
                    float[] values =
                            entry.parameter().orElseThrow().initialValues(seed, entry.layer());
                    ByteBuffer bytes =
                            ByteBuffer.allocate(Math.multiplyExact(values.length, Float.BYTES))
                                    .order(ByteOrder.LITTLE_ENDIAN);
                    bytes.asFloatBuffer().put(values);
                    return bytes;
                });
    }

    /**
     * A float32 array, read when its turn comes.
     *
     * @param name for messages
     */
    static TensorSource of(String name, NDArray tensor, DType dtype) {
        List<Long> shape = Arrays.stream(tensor.getShape().getShape()).boxed().toList();
        return TensorSource.of(dtype, shape, () -> encode(name, tensor, dtype));
    }

    /**
     * A stored tensor of several float32 arrays, put together when its turn comes.
     *
     * @param name for messages
     * @param parts all of it, by where they lie
     */
    static TensorSource assembled(String name, Map<StoredPart, NDArray> parts, DType dtype) {
        StoredPart any = parts.keySet().iterator().next();
        return TensorSource.of(
                dtype,
                any.stored(),
                () -> {
                    float[] whole = new float[Math.toIntExact(any.size())];
                    parts.forEach(
                            (part, tensor) -> {
                                int rows = Math.toIntExact(tensor.getShape().get(0));
                                int inner = Math.toIntExact(tensor.size() / rows);
                                part.copy(0, whole, 0, tensor.toFloatArray(), rows, inner, false);
                            });
                    try (NDManager scope = Engines.newManager(Device.cpu())) {
                        long[] shape = any.stored().stream().mapToLong(n -> n).toArray();
                        return encode(name, scope.create(whole, new Shape(shape)), dtype);
                    }
                });
    }

    /**
     * A weight of another model, changed in float32 and rounded once. Memory: one block.
     *
     * @param dtype type to write
     */
    static TensorSource rewritten(
            HuggingFaceDirectory files, String name, DType dtype, WeightChange change) {
        TensorInfo info = files.info(name);
        return new TensorSource(
                dtype,
                info.shape(),
                channel -> {
                    long[] block = info.dimensions();
                    long rows = block[0];
                    long rowSize = info.elementCount() / rows;
                    long step = change.needsAll() ? rows : Math.max(1, BLOCK_ELEMENTS / rowSize);
                    int rowBytes = Math.toIntExact(rowSize * info.dtype().byteSize());
                    for (long from = 0; from < rows; from += step) {
                        block[0] = Math.min(step, rows - from);
                        ByteBuffer bytes =
                                files.map(
                                        name,
                                        from * rowBytes,
                                        Math.toIntExact(block[0] * rowBytes));
                        try (NDManager scope = Engines.newManager(Device.cpu())) {
                            NDArray weight = TensorCodec.decode(scope, bytes, info.dtype(), block);
                            ByteBuffer out = encode(name, change.apply(weight, from), dtype);
                            while (out.hasRemaining()) {
                                channel.write(out);
                            }
                        }
                    }
                });
    }

    private static ByteBuffer encode(String name, NDArray tensor, DType dtype) throws IOException {
        ByteBuffer bytes = TensorCodec.encode(tensor, dtype);
        if (dtype == DType.F16) {
            refuseOverflow(name, tensor, bytes);
        }
        return bytes;
    }

    private static void refuseOverflow(String name, NDArray tensor, ByteBuffer halves) {
        float[] values = tensor.toFloatArray();
        for (int i = 0; i < values.length; i++) {
            boolean isInfinite = (halves.getShort(i * Short.BYTES) & 0x7fff) == 0x7c00;
            if (isInfinite && Float.isFinite(values[i])) {
                throw new CheckpointException(
                        ("`" + name + "`: the value " + values[i] + " is too large for float16,")
                                + " which ends at 65504; write bfloat16 or float32 instead");
            }
        }
    }
}
