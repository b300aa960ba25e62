package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Attention outside of autograd is attention inside: outputs and every gradient. */
class FusedAttentionTest {
    private static final int WINDOW = 16;
    private static final double TOLERANCE = 1e-9;
    private static final AttentionShape GROUPED = new AttentionShape(4, 2, 8, 5);

    /** Each way in which a kernel's operands differ. */
    private static final List<String> SPECS =
            List.of(
                    "lizard",
                    "lolcats",
                    "hedgehog",
                    "window-only",
                    "{window: {size: 16, sinks: 2}, linear_scope: none, combine: sum}",
                    "{window: {size: 16, rope: false}, combine: {kind: shared_denominator, affine:"
                            + " true}, gate: {kind: scalar, per: layer}}",
                    "{combine: sum, normalize: false, gate: {kind: mamba2},"
                            + " feature_map: {tied: true, skip: true, sharing: layer}}");

    private static final Map<AttentionSpec, LinearAttention> LAYERS = new HashMap<>();
    private static final Map<AttentionSpec, QuadraticKernel> KERNELS = new HashMap<>();

    private static LinearAttention layer(AttentionSpec spec) {
        return LAYERS.computeIfAbsent(spec, s -> new LinearAttention(s, GROUPED, 16));
    }

    private static FusedAttention onKernel(AttentionSpec spec) {
        return FusedAttention.on(
                layer(spec), KERNELS.computeIfAbsent(spec, s -> new QuadraticKernel(s, GROUPED)));
    }

    private static FusedAttention onScript(AttentionSpec spec) {
        return FusedAttention.script(layer(spec));
    }

    @AfterAll
    static void close() {
        LAYERS.values().forEach(LinearAttention::close);
        KERNELS.values().forEach(QuadraticKernel::close);
        LAYERS.clear();
        KERNELS.clear();
    }

    static Stream<Arguments> cases() {
        List<Arguments> all = new ArrayList<>();
        for (String spec : SPECS) {
            for (int length : List.of(1, 2, 63, 65, 130)) {
                all.add(Arguments.of(spec, length));
            }
        }
        return all.stream();
    }

    @ParameterizedTest(name = "{0} T{1}")
    @MethodSource("cases")
    void theScriptFormIsTheRecordedLayer(String method, int length) {
        isTheRecordedLayer(method, length, FusedAttentionTest::onScript);
    }

    @ParameterizedTest(name = "{0} T{1}")
    @MethodSource("cases")
    void theStepsAroundAKernelAreTheRecordedLayer(String method, int length) {
        isTheRecordedLayer(method, length, FusedAttentionTest::onKernel);
    }

    private static void isTheRecordedLayer(
            String method, int length, Function<AttentionSpec, FusedAttention> form) {
        AttentionSpec spec = AttentionCase.spec(method, WINDOW);
        try (NDManager manager = TestDevice.newManager()) {
            AttentionCase inputs =
                    new AttentionCase(manager, spec, GROUPED, 2, length, DataType.FLOAT64);
            Map<String, NDArray> expected = inputs.pieces(layer(spec), List.of(length)).values();
            Set<String> wanted = new TreeSet<>();
            for (String name : expected.keySet()) {
                if (name.startsWith("grad.")) {
                    wanted.add(name.substring(5));
                }
            }

            Map<String, NDArray> found = run(form.apply(spec), inputs, wanted);

            Set<String> compared = new TreeSet<>(expected.keySet());
            compared.removeAll(Set.of("kv_state", "k_sum"));
            assertEquals(compared, found.keySet());
            found.forEach(
                    (name, value) -> {
                        double error = AttentionCase.relativeRms(value, expected.get(name));
                        assertTrue(error <= TOLERANCE, name + " is off by " + error);
                    });
        }
    }

    /** The output, and {@code grad.*} of everything wanted. */
    private static Map<String, NDArray> run(
            FusedAttention attention, AttentionCase inputs, Set<String> wanted) {
        Map<String, NDArray> rest = new LinkedHashMap<>(inputs.inputs);
        NDArray q = rest.remove("q");
        NDArray k = rest.remove("k");
        NDArray v = rest.remove("v");
        FusedAttention.Attended attended = attention.forward(q, k, v, rest);
        Map<String, NDArray> values = new LinkedHashMap<>();
        values.put("output", attended.output());
        attention
                .backward(q, k, v, rest, attended, inputs.gradOutput(), wanted)
                .forEach((name, gradient) -> values.put("grad." + name, gradient));
        return values;
    }

    @Test
    void onlyWhatIsWantedComesBackAndInItsOwnShapeAndType() {
        AttentionSpec spec = AttentionCase.spec("lizard", WINDOW);
        try (NDManager manager = TestDevice.newManager()) {
            AttentionCase inputs = new AttentionCase(manager, spec, GROUPED, 20);
            Set<String> wanted = Set.of("alpha", "k", "gate.weight");
            for (FusedAttention attention : List.of(onScript(spec), onKernel(spec))) {
                Map<String, NDArray> found = run(attention, inputs, wanted);

                assertEquals(
                        Set.of("output", "grad.alpha", "grad.k", "grad.gate.weight"),
                        found.keySet());
                for (String name : wanted) {
                    NDArray gradient = found.get("grad." + name);
                    assertEquals(inputs.inputs.get(name).getShape(), gradient.getShape());
                    assertEquals(DataType.FLOAT32, gradient.getDataType());
                }
                assertEquals(Set.of("output"), run(attention, inputs, Set.of()).keySet());
            }
        }
    }

    @Test
    void aGradientOfWhatDoesNotMatterIsZero() {
        AttentionSpec spec = AttentionCase.spec("no-attention", 0);
        AttentionSpec local = AttentionCase.spec("window-only", WINDOW);
        try (NDManager manager = TestDevice.newManager();
                LinearAttention none = new LinearAttention(spec, GROUPED, 16)) {
            AttentionCase inputs = new AttentionCase(manager, spec, GROUPED, 5);
            inputs.inputs.put("unused", manager.create(3f));

            Map<String, NDArray> zero =
                    run(FusedAttention.script(none), inputs, Set.of("q", "v", "unused"));
            Map<String, NDArray> kernel = run(onKernel(local), inputs, Set.of("unused"));

            assertEquals(0f, zero.get("grad.v").abs().sum().getFloat());
            assertEquals(0f, zero.get("grad.unused").getFloat());
            assertEquals(0f, kernel.get("grad.unused").getFloat());
        }
    }

    @Test
    void nothingIsLeftBehind() {
        AttentionSpec spec = AttentionCase.spec("lizard", WINDOW);
        try (NDManager manager = TestDevice.newManager()) {
            AttentionCase inputs = new AttentionCase(manager, spec, GROUPED, 20);
            for (FusedAttention attention : List.of(onScript(spec), onKernel(spec))) {
                int before = manager.getManagedArrays().size();

                Map<String, NDArray> found = run(attention, inputs, Set.of("q", "alpha", "x"));

                assertEquals(before + found.size(), manager.getManagedArrays().size());
                found.values().forEach(NDArray::close);
            }
        }
    }

    @Test
    void paddingAndUnknownNamesAreRefused() {
        AttentionSpec spec = AttentionCase.spec("hedgehog", WINDOW);
        try (NDManager manager = TestDevice.newManager()) {
            AttentionCase inputs = new AttentionCase(manager, spec, GROUPED, 3);
            FusedAttention attention = onScript(spec);

            IllegalArgumentException unknown =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> run(attention, inputs, Set.of("beta")));
            inputs.inputs.put("mask", manager.ones(new ai.djl.ndarray.types.Shape(2, 3)));
            IllegalArgumentException padded =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> run(attention, inputs, Set.of("q")));

            assertEquals("a gradient of `beta` is wanted, which is no input", unknown.getMessage());
            assertEquals("`mask`: whole texts without padding only", padded.getMessage());
        }
    }
}
