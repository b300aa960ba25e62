package dev.tegu.attention;

import ai.djl.Device;
import dev.tegu.checkpoint.DType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * One variant of the kernel, with the text lengths that it is compared with the script at.
 *
 * @param window tokens of the window, where the method has one
 */
record KernelCase(String method, int window, AttentionShape shape, DType type, boolean ofInputs) {
    private static final List<Integer> LENGTHS = List.of(1, 2, 63, 64, 65, 127, 128, 129, 1000);
    private static final AttentionShape OWN = new AttentionShape(2, 2, 64, 48);
    private static final AttentionShape SHARED = new AttentionShape(6, 2, 64, 48);
    private static final AttentionShape NARROW = new AttentionShape(4, 1, 32, 48);

    /** Each way in which the kernel is cut, and each shape and type. */
    static List<KernelCase> all() {
        List<KernelCase> all = new ArrayList<>();
        for (String method : List.of("lizard", "lolcats", "hedgehog", "window-only")) {
            for (AttentionShape shape : List.of(OWN, SHARED, NARROW)) {
                all.add(new KernelCase(method, 64, shape, DType.BF16, true));
            }
            all.add(new KernelCase(method, 128, SHARED, DType.BF16, false));
            all.add(new KernelCase(method, 16, SHARED, DType.F16, true));
        }
        for (String method :
                List.of(
                        "{combine: {kind: shared_denominator, affine: true}, window: {size: 100,"
                                + " rope: false, sinks: 3}, linear_rope: false, gate: {kind:"
                                + " scalar, per: layer, start: 0.5}}",
                        "{combine: sum, linear_scope: outside_window, window: {size: 40}}",
                        "{combine: sum, normalize: false, gate: {kind: mamba2, start: 0.9},"
                                + " feature_map: {tied: true, bias: true, sharing: layer}}",
                        "{combine: sum, gate: {kind: constant}}",
                        "{combine: sum, linear_scope: none, window: {size: 33, sinks: 16}}")) {
            all.add(new KernelCase(method, 0, SHARED, DType.BF16, true));
            all.add(new KernelCase(method, 0, OWN, DType.F16, true));
        }
        return all;
    }

    /**
     * Runs the kernel and the script.
     *
     * @return distances by length and name
     */
    Map<Integer, Map<String, KernelCheck.Distance>> distances(Device device) {
        AttentionSpec spec = AttentionCase.spec(method, window);
        Map<Integer, Map<String, KernelCheck.Distance>> distances = new LinkedHashMap<>();
        try (LinearAttention layer = new LinearAttention(spec, shape, 64);
                FusedAttention kernel =
                        FusedAttention.of(layer, device, type)
                                .orElseThrow(() -> new IllegalStateException(reason(device)))) {
            for (int length : LENGTHS) {
                int batch = length > 500 ? 1 : 2;
                try (KernelCheck check = new KernelCheck(layer, batch, length, device, type)) {
                    Set<String> wanted = new TreeSet<>(check.leaves());
                    if (!ofInputs) {
                        wanted.removeAll(Set.of("q", "k", "v"));
                    }
                    distances.put(length, check.distances(kernel, wanted));
                }
            }
        }
        return distances;
    }

    /** Why the kernel does not run there; empty where it does. */
    String reason(Device device) {
        AttentionSpec spec = AttentionCase.spec(method, window);
        return FusedAttention.reasonAgainst(spec, shape, device, type).orElse("");
    }

    @Override
    public String toString() {
        return "%s W%d H%d K%d D%d %s%s"
                .formatted(
                        method,
                        window,
                        shape.numHeads(),
                        shape.numKvHeads(),
                        shape.headDim(),
                        type,
                        ofInputs ? "" : " parameters");
    }
}
