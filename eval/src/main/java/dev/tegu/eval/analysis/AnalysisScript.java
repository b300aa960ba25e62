package dev.tegu.eval.analysis;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.engine.Numbers;
import dev.tegu.engine.TorchScript;
import java.util.Map;

/** The methods of {@code analysis.py}, each one call; results that are numbers come to Java. */
final class AnalysisScript implements AutoCloseable {
    private final TorchScript script =
            TorchScript.load(AnalysisScript.class, "analysis.py", Map.of());

    /** A residual stream in another model's type. */
    NDArray cast(NDArray x, NDArray like) {
        return array("cast", x, like);
    }

    /** Positions {@code from..to-1} of [1, T, M]. */
    NDArray piece(NDArray x, int from, int to) {
        return array("piece", x, Numbers.onCpu(x.getManager(), from, to));
    }

    NDArray positions(NDArray x, NDArray index) {
        return array("positions", x, index);
    }

    float[] losses(NDArray logits, NDArray target) {
        return numbers("losses", logits, target);
    }

    float[] compare(NDArray teacher, NDArray student, NDArray target) {
        return numbers("compare", teacher, student, target);
    }

    float[] headErrors(NDArray student, NDArray teacher) {
        return numbers("head_errors", student, teacher);
    }

    float[] streamErrors(NDArray student, NDArray teacher, NDArray before) {
        return numbers("stream_errors", student, teacher, before);
    }

    float[] entropies(NDArray rows) {
        return numbers("entropies", rows);
    }

    float[] beyond(NDArray rows, NDArray near) {
        return numbers("beyond", rows, near);
    }

    float[] unseen(NDArray near, NDArray index) {
        return numbers("unseen", near, index);
    }

    float[] lookedAt(NDArray rows, NDArray places) {
        return numbers("looked_at", rows, places);
    }

    private NDArray array(String method, NDArray... inputs) {
        TorchScript.Arguments arguments = new TorchScript.Arguments();
        for (NDArray input : inputs) {
            arguments.add(input);
        }
        return script.call(method, arguments).get(0);
    }

    private float[] numbers(String method, NDArray... inputs) {
        try (NDManager scope = inputs[0].getManager().newSubManager()) {
            NDArray found = array(method, inputs);
            found.attach(scope);
            return found.toFloatArray();
        }
    }

    @Override
    public void close() {
        script.close();
    }
}
