package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import dev.tegu.engine.GradMode;
import dev.tegu.engine.TorchScript;
import java.util.HashMap;
import java.util.Map;

/** What the kernel computes, as T x T matrices in float64: the contract that others are held to. */
final class QuadraticKernel implements AttentionKernel {
    private final TorchScript script;

    QuadraticKernel(AttentionSpec spec, AttentionShape shape) {
        Map<String, Object> c = new HashMap<>();
        c.put("num_heads", (long) shape.numHeads());
        c.put("linear", spec.isLinear());
        c.put("gated", spec.isGated());
        c.put("shift", spec.isOutsideWindow() ? (long) spec.window().size() : 0L);
        c.put("window", (long) spec.window().size());
        c.put("sinks", (long) spec.window().sinks());
        c.put("shared", spec.combine().kind() == CombineSpec.Kind.SHARED_DENOMINATOR);
        c.put("affine", spec.combine().affine());
        c.put("normalize", spec.normalize());
        script = TorchScript.load(QuadraticKernel.class, "quadratic_kernel.py", c);
    }

    @Override
    public NDList forward(NDList operands) {
        return script.call("forward", new TorchScript.Arguments().add("operands", operands));
    }

    @Override
    public NDList backward(NDList operands, NDList attended, NDArray gradOutput, boolean ofInputs) {
        NDArray inputs = gradOutput.getManager().zeros(new Shape(ofInputs ? 1 : 0));
        return GradMode.on(
                () ->
                        script.call(
                                "backward",
                                new TorchScript.Arguments()
                                        .add(gradOutput)
                                        .add("operands", operands)
                                        .add(inputs)));
    }

    @Override
    public void close() {
        script.close();
    }
}
