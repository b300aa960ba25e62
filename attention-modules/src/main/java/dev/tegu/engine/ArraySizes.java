package dev.tegu.engine;

import ai.djl.ndarray.NDArray;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/** Bytes that arrays take. */
public final class ArraySizes {
    private ArraySizes() {}

    /** Bytes of an array; a type that Java has no name for is bfloat16. */
    public static long bytes(NDArray array) {
        int width = array.getDataType().getNumOfBytes();
        return array.getShape().size() * (width == 0 ? Short.BYTES : width);
    }

    /** Bytes of arrays, each once however often it is named: a tied head is the embedding. */
    public static long bytes(Collection<NDArray> arrays) {
        // Two arrays are equal when their numbers are; here it is memory that counts.
        Set<NDArray> distinct = Collections.newSetFromMap(new IdentityHashMap<>());
        distinct.addAll(arrays);
        return distinct.stream().mapToLong(ArraySizes::bytes).sum();
    }
}
