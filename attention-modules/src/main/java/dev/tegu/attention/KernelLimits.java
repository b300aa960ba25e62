package dev.tegu.attention;

import ai.djl.Device;
import dev.tegu.checkpoint.DType;
import dev.tegu.engine.cuda.CudaDevice;
import dev.tegu.engine.cuda.CudaDriver;
import dev.tegu.engine.cuda.CudaException;
import dev.tegu.engine.cuda.Nvrtc;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/** Which layers the CUDA kernel computes, and where. */
final class KernelLimits {
    private static final Set<Integer> HEAD_DIMS = Set.of(64);
    private static final int LARGEST_WINDOW = 4096;
    private static final int MOST_SINKS = 16;

    /** Ampere, the first with bfloat16 matrix products. */
    private static final int LEAST_CAPABILITY = 80;

    private KernelLimits() {}

    /**
     * The first thing that stands against the kernel, the layer's own before the machine's.
     *
     * @return one line without a full stop; empty if nothing does, except that the kernel may still
     *     fail to compile
     */
    static Optional<String> reasonAgainst(
            AttentionSpec spec, AttentionShape shape, Device device, DType modelType) {
        return switches(spec, shape)
                .or(() -> type(modelType))
                .or(() -> machine(device))
                .map(reason -> "no fused attention kernel: " + reason);
    }

    private static Optional<String> switches(AttentionSpec spec, AttentionShape shape) {
        CombineSpec.Kind combine = spec.combine().kind();
        if (combine != CombineSpec.Kind.SUM && combine != CombineSpec.Kind.SHARED_DENOMINATOR) {
            return Optional.of("`combine: " + word(combine) + "` is not in it");
        }
        if (!HEAD_DIMS.contains(shape.headDim())) {
            return Optional.of(
                    "heads are "
                            + shape.headDim()
                            + " wide, it takes "
                            + HEAD_DIMS.iterator().next());
        }
        return linear(spec, shape).or(() -> window(spec));
    }

    private static Optional<String> linear(AttentionSpec spec, AttentionShape shape) {
        if (!spec.isLinear()) {
            return Optional.empty();
        }
        FeatureMapSpec map = spec.featureMap();
        if (map.kind() != FeatureMapSpec.Kind.HEDGEHOG) {
            return Optional.of("`feature_map: " + word(map.kind()) + "` is not in it");
        }
        int width = map.projectionDim(shape.headDim());
        if (width != shape.headDim()) {
            return Optional.of(
                    "`feature_dim: %d` is not the heads' width %d"
                            .formatted(width, shape.headDim()));
        }
        if (spec.gate().isVector()) {
            return Optional.of("a gate for each feature is not in it");
        }
        if (spec.gate().absorb()) {
            return Optional.of("`gate.absorb` is not in it, nor needed");
        }
        if (spec.isGated() && spec.isOutsideWindow()) {
            return Optional.of("a gate with `linear_scope: outside_window` is not in it");
        }
        if (spec.linearScale()) {
            return Optional.of("`linear_scale` is not in it");
        }
        return spec.outputNorm() ? Optional.of("`output_norm` is not in it") : Optional.empty();
    }

    private static Optional<String> window(AttentionSpec spec) {
        WindowSpec window = spec.window();
        if (window.size() > 0 && window.shape() != WindowSpec.Shape.SLIDING) {
            return Optional.of("`window.shape: " + word(window.shape()) + "` is not in it");
        }
        if (window.keepFirst() > 0) {
            return Optional.of("`window.keep_first` is not in it");
        }
        if (window.size() > LARGEST_WINDOW) {
            return Optional.of(
                    "`window.size: " + window.size() + "` is more than " + LARGEST_WINDOW);
        }
        if (window.sinks() > MOST_SINKS) {
            return Optional.of("`window.sinks: " + window.sinks() + "` is more than " + MOST_SINKS);
        }
        return Optional.empty();
    }

    private static Optional<String> type(DType modelType) {
        return modelType == DType.BF16 || modelType == DType.F16
                ? Optional.empty()
                : Optional.of("models in " + modelType + " are not in it, BF16 and F16 are");
    }

    private static Optional<String> machine(Device device) {
        if (!device.isGpu()) {
            return Optional.of("it needs a CUDA device");
        }
        Optional<String> missing = CudaDriver.reasonAgainst().or(Nvrtc::reasonAgainst);
        if (missing.isPresent()) {
            return missing;
        }
        try {
            CudaDevice card = CudaDevice.of(device);
            int capability = card.capability();
            return capability >= LEAST_CAPABILITY
                    ? Optional.empty()
                    : Optional.of(
                            "%s has compute capability %d.%d, it needs 8.0"
                                    .formatted(card.name(), capability / 10, capability % 10));
        } catch (CudaException e) {
            return Optional.of(e.getMessage());
        }
    }

    private static String word(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }
}
