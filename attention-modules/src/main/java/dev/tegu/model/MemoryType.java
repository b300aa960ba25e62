package dev.tegu.model;

import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;

/**
 * Number type that a model's frozen weights have in memory, by PyTorch's names. Activations follow
 * it; softmax, norms, states and new parameters are float32 with any.
 */
public enum MemoryType {
    /** The type that the checkpoint's token embedding has. */
    AUTO,
    FLOAT32,
    BFLOAT16,
    FLOAT16;

    /** The type for one checkpoint. */
    public DType of(HuggingFaceDirectory files, ModelConfig config) {
        return switch (this) {
            case AUTO -> files.info(new ModelLayout(config).embedding().name()).dtype();
            case FLOAT32 -> DType.F32;
            case BFLOAT16 -> DType.BF16;
            case FLOAT16 -> DType.F16;
        };
    }

    /** What a configuration calls a type. */
    public static String nameOf(DType type) {
        return switch (type) {
            case F32 -> "float32";
            case BF16 -> "bfloat16";
            case F16 -> "float16";
            default -> throw new IllegalArgumentException(type + " is no type of weights");
        };
    }
}
