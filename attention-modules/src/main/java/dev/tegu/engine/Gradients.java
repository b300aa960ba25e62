package dev.tegu.engine;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;

/** The sums that autograd adds an array's gradients to. */
public final class Gradients {
    private Gradients() {}

    /**
     * The sum of an array's gradients, which is there from now on: libtorch makes it with the first
     * backward pass only, and what DJL gives before that is an array of its own.
     *
     * @param array followed by autograd
     * @param owner of the result
     * @return of the array's shape and type, in the memory that backward passes add to
     */
    public static NDArray sum(NDArray array, NDManager owner) {
        PtNDArray gradient = JniUtils.getGradient((PtNDArray) array);
        if (gradient == null) {
            begin(array);
            gradient = JniUtils.getGradient((PtNDArray) array);
        }
        gradient.attach(owner);
        return gradient;
    }

    /** Runs backward from the sum of none of its numbers. */
    private static void begin(NDArray array) {
        GradMode.on(
                () -> {
                    try (NDArray flat = array.reshape(-1);
                            NDArray none = flat.get("0:0");
                            NDArray sum = none.sum();
                            NDArray one = sum.onesLike()) {
                        JniUtils.backward((PtNDArray) sum, (PtNDArray) one, false, false);
                        return one;
                    }
                });
    }
}
