package dev.tegu.engine;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;

/** Products with plain numbers, for computations that gradients are taken of. */
public final class Numbers {
    private Numbers() {}

    /**
     * {@code x} times a number. {@code NDArray.mul(Number)} and {@code div(Number)} must not stand
     * in a recorded computation: the graph keeps their number for the backward pass in memory of a
     * Java buffer that nothing holds any more, and after a garbage collection the gradients are
     * wrong.
     *
     * @param x float32 or float64; its manager also owns the number
     */
    public static NDArray times(NDArray x, double number) {
        NDManager manager = x.getManager();
        boolean isDouble = x.getDataType() == DataType.FLOAT64;
        return x.mul(isDouble ? manager.create(number) : manager.create((float) number));
    }
}
