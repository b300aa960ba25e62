package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import dev.tegu.checkpoint.DType;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KernelLimitsTest {
    private static final AttentionShape SHAPE = new AttentionShape(4, 2, 64, 32);

    private static String reason(String method, AttentionShape shape, DType type) {
        AttentionSpec spec = AttentionCase.spec(method, 64);
        return FusedAttention.reasonAgainst(spec, shape, Device.cpu(), type).orElse("");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "lizard",
                "lolcats",
                "hedgehog",
                "window-only",
                "{combine: sum, gate: {kind: mamba2}}",
                "{combine: sum, normalize: false, gate: {kind: constant}}",
                "{combine: sum, gate: {kind: key_pool, pool: mean}}",
                "{feature_map: {tied: true, bias: true, skip: true, sharing: layer}}"
            })
    void whatTheKernelComputesOnlyNeedsTheDevice(String method) {
        for (int width : new int[] {32, 64}) {
            AttentionShape shape = new AttentionShape(4, 2, width, 32);
            assertEquals(
                    "no fused attention kernel: it needs a CUDA device",
                    reason(method, shape, DType.BF16));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "liger | `combine: average` is not in it",
                "no-attention | `combine: none` is not in it",
                "based | `feature_map: taylor` is not in it",
                "gla | `feature_map: identity` is not in it",
                "{feature_map: {kind: hedgehog, feature_dim: 16}}"
                        + "| `feature_dim: 16` is not the heads' width 64",
                "{combine: sum, gate: {kind: low_rank_vector}}"
                        + "| a gate for each feature is not in it",
                "{combine: sum, gate: {kind: scalar, absorb: true}}"
                        + "| `gate.absorb` is not in it, nor needed",
                "{combine: sum, gate: {kind: scalar}, window: {size: 8},"
                        + " linear_scope: outside_window}"
                        + "| a gate with `linear_scope: outside_window` is not in it",
                "{linear_scale: true, combine: sum} | `linear_scale` is not in it",
                "{output_norm: true, normalize: false, combine: sum}"
                        + "| `output_norm` is not in it",
                "lolcats-terrace | `window.shape: terrace` is not in it",
                "window-sinks | `window.keep_first` is not in it",
                "{window: {size: 5000}} | `window.size: 5000` is more than 4096",
                "{window: {size: 64, sinks: 17}} | `window.sinks: 17` is more than 16"
            })
    void whatItDoesNotComputeIsNamed(String method, String reason) {
        assertEquals("no fused attention kernel: " + reason, reason(method, SHAPE, DType.BF16));
    }

    @Test
    void sizesAndTypesAreNamedToo() {
        assertEquals(
                "no fused attention kernel: heads are 128 wide, it takes 32 and 64",
                reason("lizard", new AttentionShape(4, 2, 128, 32), DType.BF16));
        assertEquals(
                "no fused attention kernel: models in F32 are not in it, BF16 and F16 are",
                reason("lizard", SHAPE, DType.F32));
    }

    @Test
    void withoutADeviceThereIsNoKernelAndNoSelfCheck() {
        AttentionSpec spec = AttentionCase.spec("lizard", 64);
        try (LinearAttention layer = new LinearAttention(spec, SHAPE, 64)) {
            assertEquals(Optional.empty(), FusedAttention.of(layer, Device.cpu(), DType.BF16));
        }
        IllegalStateException none =
                assertThrows(
                        IllegalStateException.class, () -> FusedAttention.selfCheck(Device.cpu()));
        assertEquals("no fused attention kernel: it needs a CUDA device", none.getMessage());
    }

    @Test
    void aMissingDriverIsOneLine() {
        // Where there is a card there is nothing to say.
        String reason = reasonOnGpu();
        assertTrue(reason.lines().count() <= 1, reason);
        assertTrue(reason.isEmpty() || reason.startsWith("no fused attention kernel: "), reason);
    }

    private static String reasonOnGpu() {
        AttentionSpec spec = AttentionCase.spec("lizard", 64);
        return FusedAttention.reasonAgainst(spec, SHAPE, Device.gpu(0), DType.BF16).orElse("");
    }

    @Test
    void anAblatedLayerHasNoKernel() {
        AttentionSpec spec = AttentionCase.spec("lizard", 64);
        try (LinearAttention layer =
                new LinearAttention(spec, SHAPE, 64, Set.of(LinearAttention.Branch.WINDOW))) {
            assertEquals(Optional.empty(), FusedAttention.of(layer, Device.cpu(), DType.BF16));
            assertTrue(layer.isAblated());
        }
    }
}
