package dev.tegu.engine;

import ai.djl.pytorch.jni.JniUtils;
import java.util.function.Supplier;

/** Whether autograd records what this thread computes, for the time of one piece of work. */
public final class GradMode {
    private GradMode() {}

    /** Computes something that autograd does not see. */
    public static <T> T off(Supplier<T> work) {
        return with(false, work);
    }

    /**
     * Computes something that autograd sees: a script that takes gradients itself needs that, and
     * no gradient collector.
     */
    public static <T> T on(Supplier<T> work) {
        return with(true, work);
    }

    private static <T> T with(boolean records, Supplier<T> work) {
        boolean before = JniUtils.isGradMode();
        JniUtils.setGradMode(records);
        try {
            return work.get();
        } finally {
            JniUtils.setGradMode(before);
        }
    }
}
