package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.config.InvalidValueException;
import dev.tegu.engine.Engines;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What must hold of feature maps and of the hybrid core, whatever the numbers. */
class InvariantsTest {
    private NDManager manager;

    @BeforeEach
    void open() {
        manager = Engines.newManager(Device.cpu());
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private AttentionCase layer(String yaml, AttentionShape shape, int length) {
        return new AttentionCase(manager, AttentionCase.spec(yaml, 0), shape, 1, length);
    }

    private static NDArray output(AttentionCase layer) {
        return layer.pieces(64, List.of((int) layer.inputs.get("q").getShape().get(2)))
                .values()
                .get("output");
    }

    private static double apart(NDArray a, NDArray b) {
        return a.sub(b).abs().max().getFloat();
    }

    @Nested
    @DisplayName("Feature maps")
    class FeatureMaps {
        private static final String HEDGEHOG = "{feature_map: {kind: hedgehog, feature_dim: 4}}";
        private final AttentionShape one = new AttentionShape(1, 1, 8, 1);

        /** Features of one key, read from the state after it. */
        private float[] features(String yaml, AttentionShape shape, float scale) {
            AttentionCase inputs = layer(yaml, shape, 1);
            inputs.inputs.put("k", inputs.inputs.get("k").mul(scale));
            return inputs.pieces(64, List.of(1)).values().get("k_sum").toFloatArray();
        }

        @Test
        @DisplayName("1: hedgehog sums to 2 a token")
        void hedgehogSumsToTwo() {
            double sum = 0;
            for (float f : features(HEDGEHOG, one, 1)) {
                assertTrue(f > 0);
                sum += f;
            }
            assertEquals(2, sum, 1e-6);
        }

        @Test
        @DisplayName("1: huge projections clamp at 1e-12, without NaN")
        void hugeProjectionsClamp() {
            float[] found = features(HEDGEHOG, one, 1e4f);
            float least = Float.POSITIVE_INFINITY;
            for (float f : found) {
                assertTrue(Float.isFinite(f) && f >= 1e-12f, "feature " + f);
                least = Math.min(least, f);
            }
            assertEquals(1e-12f, least);
        }

        @Test
        @DisplayName("2: identity start passes the first p coordinates, p < d and p = d")
        void identityStart() {
            for (int p : List.of(3, 8)) {
                AttentionSpec spec =
                        AttentionCase.spec(
                                "{feature_map: {kind: hedgehog, feature_dim: " + p + "}}", 0);
                float[] values = AttentionParameter.of(spec, one).get(0).initialValues(0, 0);
                for (int i = 0; i < 8; i++) {
                    for (int j = 0; j < p; j++) {
                        assertEquals(i == j ? 1 : 0, values[i * p + j]);
                    }
                }
            }
        }

        @Test
        @DisplayName("2: skip with p other than d is refused before anything is made")
        void skipNeedsFullWidth() {
            AttentionSpec spec =
                    AttentionCase.spec(
                            "{feature_map: {kind: hedgehog, feature_dim: 4, skip: true}}", 0);
            InvalidValueException refused =
                    assertThrows(
                            InvalidValueException.class, () -> new LinearAttention(spec, one, 64));
            assertTrue(refused.getMessage().contains("feature_dim: 8"), refused.getMessage());
        }

        @Test
        @DisplayName("2: skip from a zero start and no skip from an identity start are one map")
        void skipFromZero() {
            String plain = "{feature_map: {kind: hedgehog, feature_dim: 8}}";
            String skip = "{feature_map: {kind: hedgehog, feature_dim: 8, skip: true}}";
            assertArrayEquals(started(plain), started(skip), 1e-6f);
        }

        private float[] started(String yaml) {
            AttentionCase inputs = layer(yaml, one, 9);
            for (AttentionParameter p : AttentionParameter.of(inputs.spec, one)) {
                long[] dims = p.shape().stream().mapToLong(Long::longValue).toArray();
                NDArray start = manager.create(p.initialValues(0, 0), new Shape(dims));
                inputs.inputs.put(p.name(), start);
            }
            inputs.inputs.get("q").setRequiresGradient(true);
            return output(inputs).toFloatArray();
        }

        @Test
        @DisplayName("2: a bias of one number a head is the vector of that number")
        void scalarBias() {
            // LoLCATs' code has one number a head; under the ReLU it shifts all features alike.
            String yaml = "{feature_map: {kind: t2r, feature_dim: 4, bias: true}}";
            AttentionShape two = new AttentionShape(2, 2, 8, 1);
            AttentionCase inputs = layer(yaml, two, 1);
            NDArray perHead = manager.create(new float[] {0.3f, -0.2f}, new Shape(2, 1));
            inputs.inputs.put("feature_map_k.bias", perHead.repeat(1, 4));
            NDArray weight = inputs.inputs.get("feature_map_k.weight");
            NDArray z =
                    inputs.inputs
                            .get("k")
                            .matMul(weight)
                            .add(perHead.reshape(1, 2, 1, 1))
                            .maximum(1e-12f);

            NDArray found = inputs.pieces(64, List.of(1)).values().get("k_sum");
            assertArrayEquals(z.toFloatArray(), found.toFloatArray(), 1e-6f);
        }

        @Test
        @DisplayName("3: q and k maps start equal and get gradients of their own")
        void mapsStartEqualThenDiffer() {
            AttentionSpec spec =
                    AttentionCase.spec("{feature_map: {kind: hedgehog, init: normal}}", 0);
            List<AttentionParameter> maps = AttentionParameter.of(spec, one);
            assertArrayEquals(maps.get(0).initialValues(7, 3), maps.get(1).initialValues(7, 3), 0);

            AttentionCase inputs = layer(HEDGEHOG, one, 9);
            Map<String, NDArray> found = inputs.pieces(64, List.of(9)).values();
            NDArray q = found.get("grad.feature_map_q.weight");
            assertTrue(apart(q, found.get("grad.feature_map_k.weight")) > 1e-3);
        }

        @Test
        @DisplayName("3: a tied map gets the sum of both gradients")
        void tiedSharesGradients() {
            AttentionCase tied =
                    layer("{feature_map: {kind: hedgehog, feature_dim: 4, tied: true}}", one, 9);
            AttentionCase untied = layer(HEDGEHOG, one, 9);
            NDArray weight = tied.inputs.get("feature_map_q.weight");
            for (String side : List.of("q", "k")) {
                NDArray same = weight.duplicate();
                same.setRequiresGradient(true);
                untied.inputs.put("feature_map_" + side + ".weight", same);
            }
            Map<String, NDArray> apart = untied.pieces(64, List.of(9)).values();
            NDArray sum =
                    apart.get("grad.feature_map_q.weight")
                            .add(apart.get("grad.feature_map_k.weight"));
            NDArray found = tied.pieces(64, List.of(9)).values().get("grad.feature_map_q.weight");

            assertTrue(AttentionCase.relativeRms(found, sum) < 1e-5);
        }

        @Test
        @DisplayName("3: query head h reads key/value head h // G")
        void groupedHeads() {
            AttentionShape grouped = new AttentionShape(6, 2, 8, 1);
            AttentionShape full = new AttentionShape(6, 6, 8, 1);
            String yaml = "{window: {size: 3}, linear_scope: outside_window}";
            AttentionCase few = layer(yaml, grouped, 9);
            AttentionCase all = layer(yaml, full, 9);
            for (String name : List.of("k", "v")) {
                NDList heads = new NDList();
                for (int h = 0; h < 6; h++) {
                    heads.add(few.inputs.get(name).get(":," + h / 3 + ":" + (h / 3 + 1)));
                }
                NDArray repeated = NDArrays.concat(heads, 1);
                repeated.setRequiresGradient(true);
                all.inputs.put(name, repeated);
            }
            assertTrue(apart(output(few), output(all)) < 1e-6);
        }

        @Test
        @DisplayName("4: T2R with every projection negative gives no NaN and no gradient")
        void deadT2r() {
            AttentionCase inputs =
                    layer("{feature_map: {kind: t2r, feature_dim: 4, bias: true}}", one, 9);
            for (String side : List.of("q", "k")) {
                NDArray bias = manager.full(new Shape(1, 4), -100f);
                bias.setRequiresGradient(true);
                inputs.inputs.put("feature_map_" + side + ".bias", bias);
            }
            Map<String, NDArray> found = inputs.pieces(64, List.of(9)).values();
            found.forEach((name, value) -> assertFalse(value.isNaN().any().getBoolean(), name));
            assertEquals(0, found.get("grad.feature_map_q.weight").abs().max().getFloat());
            // equal weights: the mean of the values so far
            NDArray last = found.get("output").get("0,0,8");
            assertTrue(apart(last, inputs.inputs.get("v").mean(new int[] {2}).get("0,0")) < 1e-5);
        }
    }

    @Nested
    @DisplayName("Hybrid core")
    class HybridCore {
        private static final String LOLCATS =
                "{feature_map: {kind: hedgehog, feature_dim: 4}, window: {size: 4},"
                        + " linear_scope: outside_window}";
        private final AttentionShape shape = new AttentionShape(2, 1, 8, 1);

        @ParameterizedTest
        @ValueSource(strings = {"sliding", "terrace", "terrace, anchor: end"})
        @DisplayName("5: window and linear branch share the causal tokens out, each exactly once")
        void partition(String window) {
            for (int w : List.of(1, 3, 4)) {
                AttentionSpec spec =
                        AttentionCase.spec(
                                "{linear_scope: outside_window, window: {size: "
                                        + w
                                        + ", shape: "
                                        + window
                                        + "}}",
                                0);
                for (int n = 1; n <= 5 * w; n++) {
                    TokenView view = TokenView.of(spec, n);
                    for (int i = 0; i < n; i++) {
                        for (int j = 0; j < n; j++) {
                            int times =
                                    (view.inWindow(i, j) ? 1 : 0) + (view.inLinear(i, j) ? 1 : 0);
                            assertEquals(j <= i ? 1 : 0, times, n + ": " + i + " sees " + j);
                        }
                    }
                }
            }
        }

        @Test
        @DisplayName(
                "5: the released terrace counts every token twice where n <= w, and only there")
        void doubleCount() {
            AttentionSpec spec =
                    AttentionCase.spec(
                            "{linear_scope: outside_window, window: {size: 4, shape: terrace,"
                                    + " anchor: reference}}",
                            0);
            for (int n = 1; n <= 8; n++) {
                TokenView view = TokenView.of(spec, n);
                assertTrue(view.inWindow(n - 1, n - 1));
                assertEquals(n <= 4, view.inLinear(n - 1, n - 1), "length " + n);
            }
        }

        @ParameterizedTest
        @ValueSource(ints = {1, 3, 4, 5, 8, 9, 11})
        @DisplayName("6: lengths around the window: forms agree; w = 1; w >= n is softmax exactly")
        void lengths(int n) {
            for (int w : List.of(1, 4)) {
                AttentionCase inputs = layer(LOLCATS.replace("size: 4", "size: " + w), shape, n);
                inputs.reference().assertClose(inputs.pieces(3, List.of(n)), 1e-5, "w " + w);
                inputs.reference().assertClose(inputs.pieces(3, List.of()), 1e-5, "steps");
            }
            AttentionCase wide = layer(LOLCATS.replace("size: 4", "size: " + n), shape, n);
            NDArray softmax =
                    output(
                            layer(
                                    "{feature_map: identity, linear_scope: none, window: {size: "
                                            + n
                                            + "}}",
                                    shape,
                                    n));
            assertTrue(apart(output(wide), softmax) < 1e-6);
        }

        /** A layer whose features do not see coordinate 0, on which all keys are 1. */
        private AttentionCase shiftable() {
            AttentionCase inputs =
                    layer(
                            LOLCATS.replace("size: 4", "size: 4, rope: false") // scores
                                    .replace("linear_scope", "linear_rope: false, linear_scope"),
                            shape,
                            11);
            float[] blind = new float[8];
            java.util.Arrays.fill(blind, 1);
            blind[0] = 0;
            NDArray keep = manager.create(blind);
            NDArray first = manager.create(1f).sub(keep);
            inputs.inputs.put("k", inputs.inputs.get("k").mul(keep).add(first));
            for (String side : List.of("q", "k")) {
                String name = "feature_map_" + side + ".weight";
                inputs.inputs.put(name, inputs.inputs.get(name).mul(keep.reshape(1, 8, 1)));
            }
            return inputs;
        }

        private NDArray shifted(AttentionCase inputs, float by) {
            float[] direction = new float[8];
            direction[0] = by;
            Map<String, NDArray> moved = new HashMap<>(inputs.inputs);
            moved.put("q", inputs.inputs.get("q").add(manager.create(direction)));
            try (LinearAttention layer = new LinearAttention(inputs.spec, shape, 5)) {
                NDArray q = moved.remove("q");
                NDArray k = moved.remove("k");
                NDArray v = moved.remove("v");
                return layer.chunked(q, k, v, moved, layer.emptyState(q, k, v)).output();
            }
        }

        @ParameterizedTest
        @ValueSource(floats = {-30, 3, 200})
        @DisplayName("7: a constant on all window scores of a row leaves the output as it is")
        void windowShiftsCancel(float by) {
            AttentionCase inputs = shiftable();
            assertTrue(apart(shifted(inputs, 0), shifted(inputs, by)) < 1e-4);
        }

        @Test
        @DisplayName("7: a constant factor on the linear terms changes the output")
        void linearFactorsDoNot() {
            String yaml =
                    "{feature_map: {kind: hedgehog_exp, feature_dim: 4, bias: true}, window: {size: 4},"
                            + " linear_scope: outside_window}";
            AttentionCase inputs = layer(yaml, shape, 11);
            NDArray before = output(inputs);
            // phi_k([z, -z]) scales when values of z move apart: here by twice the keys' projection
            NDArray weight = inputs.inputs.get("feature_map_k.weight").mul(2);
            weight.setRequiresGradient(true);
            inputs.inputs.put("feature_map_k.weight", weight);
            assertTrue(apart(before, output(inputs)) > 1e-3);
            // nothing has left the window of the first four tokens
            assertTrue(apart(before.get(":,:,0:4"), output(inputs).get(":,:,0:4")) < 1e-6);
        }

        @Test
        @DisplayName(
                "8: a window factor near 1 or 0 stays finite, and tends to window or linear sums")
        void extremeFactors() {
            String affine =
                    LOLCATS.replace(
                            "window: {",
                            "combine: {kind: shared_denominator, affine: true}, window: {");
            for (float logit : List.of(40f, -40f)) {
                AttentionCase inputs = layer(affine, shape, 11);
                NDArray factor = manager.full(new Shape(2), logit);
                factor.setRequiresGradient(true);
                inputs.inputs.put("window_factor", factor);
                Map<String, NDArray> found = inputs.pieces(5, List.of(11)).values();
                found.forEach((name, value) -> assertFalse(value.isNaN().any().getBoolean(), name));
                if (logit > 0) {
                    NDArray window =
                            output(
                                    layer(
                                            "{feature_map: identity, linear_scope: none, window: {size: 4}}",
                                            shape,
                                            11));
                    assertTrue(apart(window, found.get("output")) < 1e-5);
                }
            }
        }

        @Test
        @DisplayName("10: anchored at the end a prefix changes with what follows, at the start not")
        void anchors() {
            String terrace = LOLCATS.replace("size: 4", "size: 4, shape: terrace");
            for (boolean end : List.of(true, false)) {
                String yaml = end ? terrace.replace("terrace", "terrace, anchor: end") : terrace;
                AttentionCase inputs = layer(yaml, shape, 18);
                NDArray whole = output(inputs);
                AttentionCase prefix = layer(yaml, shape, 18);
                for (String name : List.of("q", "k", "v")) {
                    NDArray part = inputs.inputs.get(name).get(":,:,0:15");
                    part.setRequiresGradient(true);
                    prefix.inputs.put(name, part);
                }
                for (String name : List.of("cos", "sin")) {
                    prefix.inputs.put(name, inputs.inputs.get(name).get("0:15"));
                }
                try (LinearAttention layer = new LinearAttention(inputs.spec, shape, 5)) {
                    Map<String, NDArray> rest = new HashMap<>(prefix.inputs);
                    NDArray q = rest.remove("q");
                    NDArray k = rest.remove("k");
                    NDArray v = rest.remove("v");
                    NDArray short15 =
                            layer.chunked(q, k, v, rest, layer.emptyState(q, k, v)).output();
                    double apart = apart(short15, whole.get(":,:,0:15"));
                    assertEquals(end, apart > 1e-3, yaml + " differs by " + apart);
                }
            }
        }

        @Test
        @DisplayName(
                "11: packed texts with document masks are the texts alone, without they are one")
        void packed() {
            for (String preset : AttentionPresets.NAMES) {
                AttentionSpec spec = AttentionCase.spec(preset, 4);
                AttentionCase inputs = new AttentionCase(manager, spec, shape, 1, 20);
                // a position's rotation is its place in its own text
                for (String name : List.of("cos", "sin")) {
                    NDArray from0 = inputs.inputs.get(name).get("0:7");
                    NDArray more = inputs.inputs.get(name).get("0:13");
                    inputs.inputs.put(name, NDArrays.concat(new NDList(from0, more), 0));
                }
                NDArray one = run(inputs, "0:20", Map.of());
                int[] packed = new int[20];
                java.util.Arrays.fill(packed, 7, 20, 1);
                inputs.withDocuments(new int[][] {packed});
                NDArray two =
                        run(inputs, "0:20", Map.of("document", inputs.inputs.get("document")));

                assertTrue(apart(two.get(":,:,0:7"), run(inputs, "0:7", Map.of())) < 1e-5, preset);
                assertTrue(
                        apart(two.get(":,:,7:20"), run(inputs, "7:20", Map.of())) < 1e-5, preset);
                boolean attends = !preset.equals("no-attention");
                assertEquals(
                        attends, apart(one.get(":,:,7:20"), two.get(":,:,7:20")) > 1e-3, preset);
            }
        }

        private NDArray run(AttentionCase inputs, String range, Map<String, NDArray> more) {
            Map<String, NDArray> part = new HashMap<>(inputs.inputs);
            part.remove("document");
            for (String name : List.of("q", "k", "v")) {
                part.put(name, part.get(name).get(":,:," + range));
            }
            for (String name : List.of("cos", "sin")) {
                part.put(name, part.get(name).get(range));
            }
            part.computeIfPresent("x", (name, x) -> x.get(":," + range));
            part.putAll(more);
            try (LinearAttention layer = new LinearAttention(inputs.spec, shape, 6)) {
                NDArray q = part.remove("q");
                NDArray k = part.remove("k");
                NDArray v = part.remove("v");
                return layer.chunked(q, k, v, part, layer.emptyState(q, k, v)).output();
            }
        }
    }
}
