package dev.tegu.attention;

import dev.tegu.checkpoint.DType;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The source of the CUDA kernel, in {@code cuda/} beside this class: one program, cut to a layer by
 * macros.
 *
 * @param modelType BF16 or F16
 */
record KernelSource(AttentionSpec spec, AttentionShape shape, DType modelType) {
    /** In the order in which they are one program. */
    private static final List<String> PARTS =
            List.of(
                    "ptx.cu",
                    "tiles.cu",
                    "linear.cu",
                    "fused_forward.cu",
                    "fused_backward_q.cu",
                    "fused_backward_kv.cu");

    private static final int FLOAT16 = 5;
    private static final int BFLOAT16 = 15;

    /** libtorch's number for the model's type. */
    int torchType() {
        return modelType == DType.BF16 ? BFLOAT16 : FLOAT16;
    }

    /**
     * Every macro of the source.
     *
     * @param ofInputs whether backward gives gradients of qw, kw and v
     */
    SortedMap<String, Integer> defines(boolean ofInputs) {
        SortedMap<String, Integer> d = new TreeMap<>();
        int window = spec.window().size();
        d.put("ELEM", torchType());
        d.put("HEAD_DIM", shape.headDim());
        d.put("LINEAR", number(spec.isLinear()));
        d.put("GATED", number(spec.isGated()));
        d.put("SHIFT", spec.isOutsideWindow() ? window : 0);
        d.put("WINDOW", window);
        d.put("SINKS", spec.window().sinks());
        d.put("COMBINE", number(spec.combine().kind() == CombineSpec.Kind.SUM));
        d.put("AFFINE", number(spec.combine().affine()));
        d.put("NORMALIZE", number(spec.normalize()));
        d.put("INPUT_GRADS", number(ofInputs));
        return d;
    }

    private static int number(boolean value) {
        return value ? 1 : 0;
    }

    /** All of it; the compiler's messages name the part and the line in it. */
    String text() {
        StringBuilder text = new StringBuilder();
        for (String part : PARTS) {
            try (InputStream in = KernelSource.class.getResourceAsStream("cuda/" + part)) {
                if (in == null) {
                    throw new IllegalStateException("cuda/" + part + ": no such resource");
                }
                text.append("#line 1 \"").append(part).append("\"\n");
                text.append(new String(in.readAllBytes(), StandardCharsets.UTF_8)).append('\n');
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return text.toString();
    }
}
