package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tegu.checkpoint.DType;
import dev.tegu.engine.cuda.Nvrtc;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The kernels compile for the cards they are meant for; no card is needed for that. */
class KernelSourceTest {
    private static final AttentionShape SHAPE = new AttentionShape(4, 2, 64, 32);

    /** One half of the variants each, so that every macro is on and off on either card. */
    static Stream<Arguments> variants() {
        return Stream.of(
                Arguments.of("lizard", DType.BF16, 90, true),
                Arguments.of("lizard", DType.F16, 80, false),
                Arguments.of("lolcats", DType.BF16, 80, false),
                Arguments.of("lolcats", DType.F16, 90, true),
                Arguments.of("hedgehog", DType.BF16, 90, false),
                Arguments.of("window-only", DType.F16, 90, true),
                Arguments.of(
                        "{combine: {kind: shared_denominator, affine: true}, window: {size: 48}}",
                        DType.BF16,
                        89,
                        true),
                Arguments.of(
                        "{combine: sum, normalize: false, gate: {kind: scalar}}",
                        DType.BF16,
                        90,
                        true));
    }

    @ParameterizedTest(name = "{0} {1} sm_{2}")
    @MethodSource("variants")
    void everyVariantCompiles(String method, DType type, int capability, boolean ofInputs) {
        String reason = Nvrtc.reasonAgainst().orElse("");
        assumeTrue(reason.isEmpty(), reason);
        AttentionSpec spec = AttentionCase.spec(method, 128);
        KernelSource source = new KernelSource(spec, SHAPE, type);

        byte[] code =
                Nvrtc.get()
                        .compile(
                                "fused attention",
                                source.text(),
                                capability,
                                source.defines(ofInputs));

        for (String kernel : List.of("fused_forward", "fused_backward_q", "fused_backward_kv")) {
            String all = new String(code, java.nio.charset.StandardCharsets.ISO_8859_1);
            assertTrue(all.contains(kernel), kernel);
        }
    }
}
