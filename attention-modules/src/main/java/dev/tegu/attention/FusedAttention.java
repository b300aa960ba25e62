package dev.tegu.attention;

import static java.util.stream.Collectors.joining;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import dev.tegu.checkpoint.DType;
import dev.tegu.engine.GradMode;
import dev.tegu.engine.TorchScript;
import dev.tegu.engine.cuda.CudaException;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * A whole text's attention and its gradient outside of autograd: one pass forward, one back. What
 * it computes is {@link LinearAttention#chunked} from the empty state.
 *
 * <p>Two backends. On a CUDA device a kernel holds everything between the projections and the
 * output; the projections before it (feature maps, gate, rotation) are a script's, whose gradients
 * are taken by computing them once more. The other is the layer's script alone, for any switches
 * and any device.
 *
 * <p>Not thread-safe, like the layer it stands on, which must stay open as long.
 */
public final class FusedAttention implements AutoCloseable {
    private static final Set<String> REFUSED = Set.of("mask", "document", "no_window", "no_linear");
    private static final int NUM_OPERANDS = 8;

    /** What the self check runs: both ways to combine, key/value heads shared, an odd length. */
    private static final List<String> CHECKED = List.of("lizard", "lolcats");

    private static final AttentionShape CHECKED_SHAPE = new AttentionShape(4, 2, 64, 96);
    private static final int CHECKED_LENGTH = 201;

    private final LinearAttention layer;
    private final Optional<AttentionKernel> kernel;

    private FusedAttention(LinearAttention layer, Optional<AttentionKernel> kernel) {
        this.layer = layer;
        this.kernel = kernel;
    }

    /**
     * The layer on a kernel.
     *
     * @param modelType type of q, k and v
     * @return empty where no kernel serves these switches, sizes, type or device; {@link
     *     #reasonAgainst} says why. To be closed by the caller, before the layer
     */
    public static Optional<FusedAttention> of(
            LinearAttention layer, Device device, DType modelType) {
        AttentionSpec spec = layer.spec();
        AttentionShape shape = layer.shape();
        if (layer.isAblated()
                || KernelLimits.reasonAgainst(spec, shape, device, modelType).isPresent()) {
            return Optional.empty();
        }
        try {
            return Optional.of(on(layer, new CudaAttentionKernel(spec, shape, device, modelType)));
        } catch (CudaException e) {
            return Optional.empty();
        }
    }

    /**
     * Why {@link #of} finds no kernel for layers without ablations. Compiles it, if nothing else
     * stands against it: seconds the first time.
     *
     * @return one line without a full stop; empty where there is a kernel
     */
    public static Optional<String> reasonAgainst(
            AttentionSpec spec, AttentionShape shape, Device device, DType modelType) {
        Optional<String> reason = KernelLimits.reasonAgainst(spec, shape, device, modelType);
        if (reason.isPresent()) {
            return reason;
        }
        try {
            new CudaAttentionKernel(spec, shape, device, modelType).close();
            return Optional.empty();
        } catch (CudaException e) {
            String message = String.valueOf(e.getMessage());
            return Optional.of(
                    "no fused attention kernel: " + message.lines().collect(joining("; ")));
        }
    }

    /**
     * Compares the kernel with the script on small layers, outputs and gradients; seconds, most of
     * them for the compiler.
     *
     * @param device a CUDA device
     * @return one line with what was compared and how far apart it was
     * @throws IllegalStateException if there is no kernel or a result is wrong; the message says
     *     why or which
     */
    public static String selfCheck(Device device) {
        return CHECKED.stream().map(name -> check(name, device)).collect(joining("; "));
    }

    private static String check(String preset, Device device) {
        AttentionSpec spec = AttentionPresets.spec(preset);
        Optional<String> reason = reasonAgainst(spec, CHECKED_SHAPE, device, DType.BF16);
        if (reason.isPresent()) {
            throw new IllegalStateException(reason.get());
        }
        int chunk = LinearAttention.DEFAULT_CHUNK_SIZE;
        try (LinearAttention layer = new LinearAttention(spec, CHECKED_SHAPE, chunk);
                FusedAttention kernel = of(layer, device, DType.BF16).orElseThrow();
                KernelCheck check = new KernelCheck(layer, 2, CHECKED_LENGTH, device, DType.BF16)) {
            return KernelCheck.describe(preset, check.distances(kernel, check.leaves()));
        }
    }

    /** The layer on its script: slow and obviously right, for any switches and any device. */
    public static FusedAttention script(LinearAttention layer) {
        return new FusedAttention(layer, Optional.empty());
    }

    /** The layer on a kernel of one's own. */
    static FusedAttention on(LinearAttention layer, AttentionKernel kernel) {
        return new FusedAttention(layer, Optional.of(kernel));
    }

    /**
     * A text's attention and what its gradient needs.
     *
     * @param output [B, H, T, D], of q's type
     * @param saved the backend's own
     */
    public record Attended(NDArray output, List<NDArray> saved) implements AutoCloseable {
        @Override
        public void close() {
            output.close();
            saved.forEach(NDArray::close);
        }
    }

    /**
     * Attends, and records nothing.
     *
     * @param q queries before RoPE, [B, H, T, D]
     * @param k keys before RoPE, [B, K, T, D]
     * @param v values, [B, K, T, D]
     * @param inputs as of {@link LinearAttention#chunked}, without mask, documents and {@code
     *     no_window}
     * @return owned by the manager of q
     */
    public Attended forward(NDArray q, NDArray k, NDArray v, Map<String, NDArray> inputs) {
        check(inputs);
        return GradMode.off(() -> attend(q, k, v, inputs));
    }

    private Attended attend(NDArray q, NDArray k, NDArray v, Map<String, NDArray> inputs) {
        try (NDManager scope = NDManager.subManagerOf(q)) {
            scope.tempAttachAll(q, k, v);
            TorchScript.Arguments arguments = new TorchScript.Arguments().add(q).add(k).add(v);
            arguments.add("p", LinearAttention.orDummy(inputs, q));
            if (kernel.isEmpty()) {
                NDArray output = layer.script().call("whole", arguments).get(0);
                return new Attended(scope.ret(output), List.of());
            }
            NDList operands = layer.script().call("fused_inputs", arguments);
            NDList results = scope.ret(kernel.get().forward(operands));
            return new Attended(results.get(0), List.copyOf(results.subList(1, results.size())));
        }
    }

    /**
     * The gradients of the sum of {@code gradOutput} times the output.
     *
     * @param q what {@link #forward} got, as k, v and inputs
     * @param attended what it returned
     * @param gradOutput [B, H, T, D], of q's type
     * @param wanted of what gradients are wanted: {@code q}, {@code k}, {@code v} and names of
     *     {@code inputs}
     * @return the gradients by name, each of its input's shape and type, parameters' float32; owned
     *     by the manager of {@code gradOutput}
     */
    public Map<String, NDArray> backward(
            NDArray q,
            NDArray k,
            NDArray v,
            Map<String, NDArray> inputs,
            Attended attended,
            NDArray gradOutput,
            Set<String> wanted) {
        check(inputs);
        TreeMap<String, NDArray> leaves = new TreeMap<>();
        Map<String, NDArray> fixed = new HashMap<>(inputs);
        fixed.put("q", q);
        fixed.put("k", k);
        fixed.put("v", v);
        for (String name : wanted) {
            NDArray leaf = fixed.remove(name);
            if (leaf == null) {
                throw new IllegalArgumentException(
                        "a gradient of `" + name + "` is wanted, which is no input");
            }
            leaves.put(name, leaf);
        }
        if (leaves.isEmpty()) {
            return Map.of();
        }
        try (NDManager scope = NDManager.subManagerOf(gradOutput)) {
            scope.tempAttachAll(gradOutput);
            NDList found =
                    GradMode.on(
                            () ->
                                    kernel.isEmpty()
                                            ? scriptGradients(gradOutput, fixed, leaves)
                                            : kernelGradients(gradOutput, fixed, leaves, attended));
            scope.ret(found);
            Map<String, NDArray> named = new LinkedHashMap<>();
            for (String name : leaves.keySet()) {
                named.put(name, found.get(named.size()));
            }
            return Collections.unmodifiableMap(named);
        }
    }

    private NDList scriptGradients(
            NDArray gradOutput, Map<String, NDArray> fixed, Map<String, NDArray> leaves) {
        return layer.script().call("whole_gradients", arguments(gradOutput, fixed, leaves));
    }

    private static TorchScript.Arguments arguments(
            NDArray gradOutput, Map<String, NDArray> fixed, Map<String, NDArray> leaves) {
        return new TorchScript.Arguments()
                .add(gradOutput)
                .add("fixed", LinearAttention.orDummy(fixed, gradOutput))
                .add("wanted", leaves);
    }

    private NDList kernelGradients(
            NDArray gradOutput,
            Map<String, NDArray> fixed,
            Map<String, NDArray> leaves,
            Attended attended) {
        NDList recorded = layer.script().call("fused_leaves", arguments(gradOutput, fixed, leaves));
        NDList operands = new NDList(recorded.subList(1, 1 + NUM_OPERANDS));
        NDList results = new NDList(attended.output());
        results.addAll(attended.saved());
        boolean ofInputs = Set.of("q", "k", "v").stream().anyMatch(leaves::containsKey);
        NDList given =
                GradMode.off(
                        () -> kernel.get().backward(operands, results, recorded.get(0), ofInputs));
        return layer.script()
                .call(
                        "fused_gradients",
                        new TorchScript.Arguments()
                                .add("outputs", operands)
                                .add("given", given)
                                .add(
                                        "leaves",
                                        recorded.subList(1 + NUM_OPERANDS, recorded.size())));
    }

    private static void check(Map<String, NDArray> inputs) {
        REFUSED.stream()
                .filter(inputs::containsKey)
                .findFirst()
                .ifPresent(
                        name -> {
                            throw new IllegalArgumentException(
                                    "`" + name + "`: whole texts without padding only");
                        });
    }

    @Override
    public void close() {
        kernel.ifPresent(AttentionKernel::close);
    }
}
