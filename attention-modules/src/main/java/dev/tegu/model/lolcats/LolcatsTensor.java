package dev.tegu.model.lolcats;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.checkpoint.pickle.TorchTensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;

/**
 * A trained tensor as a LoLCATs checkpoint has it.
 *
 * @param file where it is from
 * @param name its name there
 * @param tensor float32, bfloat16 or float16
 */
public record LolcatsTensor(Path file, String name, TorchTensor tensor) {
    /** Dimensions in the file. */
    public List<Long> shape() {
        return tensor.shape();
    }

    /** Whether the values are of a type in which models are trained. */
    public boolean isFloat() {
        DType dtype = tensor.dtype();
        return dtype == DType.F32 || dtype == DType.BF16 || dtype == DType.F16;
    }

    /** The tensor with its own shape, in float32, as all new parameters and adapters are. */
    public TensorSource asFloat32() {
        return asFloat32(shape(), 1);
    }

    /**
     * @param shape another shape for the values
     * @param times how often each value stands in a row
     */
    TensorSource asFloat32(List<Long> shape, int times) {
        return TensorSource.of(
                DType.F32,
                shape,
                () -> {
                    float[] values = values();
                    int bytes = Math.multiplyExact(values.length * Float.BYTES, times);
                    ByteBuffer out = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
                    for (float value : values) {
                        for (int i = 0; i < times; i++) {
                            out.putFloat(value);
                        }
                    }
                    return out.flip();
                });
    }

    /**
     * Every value, row-major; exact, since float32 holds the narrower types.
     *
     * @throws CheckpointException if a value is not finite
     */
    float[] values() throws IOException {
        ByteBuffer bytes = tensor.bytes();
        float[] values = new float[bytes.remaining() / tensor.dtype().byteSize()];
        for (int i = 0; i < values.length; i++) {
            values[i] =
                    switch (tensor.dtype()) {
                        case F32 -> bytes.getFloat();
                        case BF16 -> Float.intBitsToFloat(bytes.getShort() << 16);
                        case F16 -> half(bytes.getShort());
                        default -> throw new IllegalStateException(name + " is not float");
                    };
            if (!Float.isFinite(values[i])) {
                throw new CheckpointException(
                        (file.getFileName() + ": `" + name + "` holds " + values[i])
                                + "; the training has diverged: take an earlier checkpoint");
            }
        }
        return values;
    }

    /** IEEE 754 binary16: 1 bit of sign, 5 of exponent (15 too large), 10 of fraction. */
    private static float half(short bits) {
        int exponent = (bits >> 10) & 0x1f;
        int fraction = bits & 0x3ff;
        float sign = bits < 0 ? -1 : 1;
        if (exponent == 0x1f) {
            return fraction == 0 ? sign * Float.POSITIVE_INFINITY : Float.NaN;
        }
        // Without a leading one below the smallest normal number.
        return sign
                * (exponent == 0
                        ? Math.scalb((float) fraction, -24)
                        : Math.scalb((float) (fraction | 0x400), exponent - 25));
    }
}
