package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import java.io.IOException;

/** Something done to a weight on its way from one file into another, a block of rows at a time. */
@FunctionalInterface
public interface WeightChange {
    /** The weight as it is. */
    WeightChange NONE = (rows, from) -> rows;

    /**
     * @param rows part of the weight, cut along its first dimension, float32, on the CPU
     * @param from number of the first of these rows
     * @return the rows that are written instead, same shape, float32, on the manager of {@code
     *     rows}
     */
    NDArray apply(NDArray rows, long from) throws IOException;

    /** Whether the weight is changed in one block, however large. */
    default boolean needsAll() {
        return false;
    }
}
