package dev.tegu.engine;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;

/** Plain numbers among arrays. */
public final class Numbers {
    private Numbers() {}

    /**
     * Numbers that a script reads one by one. They are on the CPU whatever the manager's device:
     * neither making nor reading them waits for a GPU.
     *
     * @param owner of the result
     * @return float64 [n]
     */
    public static NDArray onCpu(NDManager owner, double... numbers) {
        try (NDManager cpu = owner.newSubManager(Device.cpu())) {
            NDArray array = cpu.create(numbers);
            array.attach(owner);
            return array;
        }
    }

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
