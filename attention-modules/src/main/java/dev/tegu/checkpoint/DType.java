package dev.tegu.checkpoint;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * Number types of safetensors files that are read and written; constants as the format names them.
 */
public enum DType {
    F64(8),
    F32(4),
    F16(2),
    BF16(2),
    I64(8),
    I32(4),
    I16(2),
    I8(1),
    U8(1),
    BOOL(1);

    private final int byteSize;

    DType(int byteSize) {
        this.byteSize = byteSize;
    }

    /** Bytes of one element. */
    public int byteSize() {
        return byteSize;
    }

    /** Whether elements are floating-point numbers. */
    public boolean isFloat() {
        return this == F64 || this == F32 || this == F16 || this == BF16;
    }

    /**
     * @param name as it stands in a safetensors header
     * @throws CheckpointException if the type is none of these; eight-bit floats and other packed
     *     types are refused because their values mean nothing without scales kept elsewhere
     */
    public static DType of(String name) {
        for (DType type : values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        if (name.startsWith("F8") || name.startsWith("F4") || name.startsWith("F6")) {
            throw new CheckpointException(
                    "dtype `"
                            + name
                            + "` is a quantized type, whose scales are kept elsewhere;"
                            + " use the unquantized checkpoint (bfloat16, float16 or float32)");
        }
        throw new CheckpointException(
                "unknown dtype `"
                        + name
                        + "`; known are "
                        + Arrays.stream(values())
                                .map(Enum::name)
                                .collect(Collectors.joining(", ")));
    }
}
