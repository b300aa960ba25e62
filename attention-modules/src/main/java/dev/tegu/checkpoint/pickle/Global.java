package dev.tegu.checkpoint.pickle;

import dev.tegu.checkpoint.DType;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** The names that a pickle may use: the containers and the rebuild functions of a state dict. */
enum Global {
    ORDERED_DICT("collections", "OrderedDict", null),
    REBUILD_TENSOR("torch._utils", "_rebuild_tensor_v2", null),
    REBUILD_PARAMETER("torch._utils", "_rebuild_parameter", null),
    /** What libtorch, saving without Python, wraps a dict in; gives its first argument back. */
    RESTORE_TYPE_TAG("torch.jit._pickle", "restore_type_tag", null),
    FLOAT_STORAGE("torch", "FloatStorage", DType.F32),
    HALF_STORAGE("torch", "HalfStorage", DType.F16),
    BFLOAT16_STORAGE("torch", "BFloat16Storage", DType.BF16),
    DOUBLE_STORAGE("torch", "DoubleStorage", DType.F64),
    LONG_STORAGE("torch", "LongStorage", DType.I64),
    INT_STORAGE("torch", "IntStorage", DType.I32),
    SHORT_STORAGE("torch", "ShortStorage", DType.I16),
    CHAR_STORAGE("torch", "CharStorage", DType.I8),
    BYTE_STORAGE("torch", "ByteStorage", DType.U8),
    BOOL_STORAGE("torch", "BoolStorage", DType.BOOL);

    private static final Map<String, Global> BY_NAME = new HashMap<>();

    static {
        for (Global global : values()) {
            BY_NAME.put(global.qualified(), global);
        }
    }

    private final String module;
    private final String shortName;
    private final DType elements;

    Global(String module, String shortName, DType elements) {
        this.module = module;
        this.shortName = shortName;
        this.elements = elements;
    }

    /** As Python writes it, for example {@code collections.OrderedDict}. */
    String qualified() {
        return module + "." + shortName;
    }

    /** What a storage of this class holds; empty for what is no storage. */
    Optional<DType> elements() {
        return Optional.ofNullable(elements);
    }

    /** The global of this name, if pickles may use it. */
    static Optional<Global> find(String module, String name) {
        return Optional.ofNullable(BY_NAME.get(module + "." + name));
    }
}
