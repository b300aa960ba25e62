package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * LoLCATs on numbers that were computed independently, in float64: one layer of 2 heads, 12 tokens,
 * 4 dimensions, 3 features a half, window 4, window factor 0.1.
 */
class GoldenNumbersTest {
    private static final String MAP = "feature_map: {kind: hedgehog, feature_dim: 3}";
    private static final String SLIDING =
            "{" + MAP + ", window: {size: 4}, linear_scope: outside_window}";
    private static final String TERRACE =
            "{"
                    + MAP
                    + ", window: {size: 4, shape: terrace, anchor: end},"
                    + " linear_scope: outside_window}";
    private static final String LINEAR = "{" + MAP + "}";
    private static final String SOFTMAX =
            "{feature_map: identity, window: {size: 12}, linear_scope: none}";

    private NDManager manager;
    private SineLayer layer;

    @BeforeEach
    void make() {
        manager = TestDevice.newManager();
        layer = new SineLayer(manager);
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private static void assertRow(NDArray output, int head, int token, double... expected) {
        assertArrayEquals(expected, SineLayer.row(output, head, token), 1e-8);
    }

    @Test
    void hedgehogFeaturesOfTheFirstQuery() {
        // The state after one token is that token's features.
        layer.inputs.put(
                "feature_map_k.weight", layer.inputs.get("feature_map_q.weight").duplicate());
        NDArray token = layer.q.get(":,:,0:1");
        try (LinearAttention linear =
                new LinearAttention(AttentionCase.spec(LINEAR, 0), SineLayer.SHAPE, 64)) {
            AttentionState empty = linear.emptyState(token, token, token);
            NDArray values = layer.v.get(":,:,0:1");
            AttentionState state =
                    linear.chunked(token, token.duplicate(), values, layer.inputs, empty).state();

            double[] expected = {
                .493425536, .329417508, .177156956, .189282166, .283520615, .527197219
            };
            double[] found = state.tensors().get("k_sum").get("0,0").toDoubleArray();
            assertArrayEquals(expected, found, 1e-8);
        }
    }

    @Test
    void slidingWindow() {
        NDArray y = layer.output(SLIDING);

        assertRow(y, 0, 11, .024430942, .104569447, .10557188, .026679618);
        assertRow(y, 1, 6, -.013287059, .226947035, .295432138, .140340088);
    }

    @Test
    void slidingWindowDecoded() {
        double[] expected = {.024430942, .104569447, .10557188, .026679618};
        assertArrayEquals(expected, layer.decoded(SLIDING, 0, 11), 1e-8);
    }

    @Test
    void terraceAnchoredAtTheEnd() {
        NDArray y = layer.output(TERRACE);

        assertRow(y, 0, 11, -.067704717, .063506949, .146657822, .118820979);
        assertRow(y, 1, 6, .102488666, -.072527811, -.192656687, -.166986823);
    }

    @Test
    void softmax() {
        assertRow(layer.output(SOFTMAX), 0, 11, .036036916, .029904462, .001140908, -.028486063);
    }

    @Test
    void meanSquaredErrorsTimesAThousand() {
        NDArray teacher = layer.output(SOFTMAX);

        assertEquals(23.72134783, loss(teacher, layer.output(SLIDING)), 1e-7);
        assertEquals(6.85039426, loss(teacher, layer.output(TERRACE)), 1e-7);
        assertEquals(58.99545880, loss(teacher, layer.output(LINEAR)), 1e-7);
    }

    private static double loss(NDArray teacher, NDArray student) {
        return 1000 * student.sub(teacher).square().mean().getDouble();
    }

    @Test
    void crossEntropyOfAttentionWeights() {
        NDArray identity = layer.identityValues();
        NDArray teacher = layer.output(SOFTMAX, identity, SineLayer.LENGTH);
        NDArray student = layer.output(SLIDING, identity, SineLayer.LENGTH);
        NDArray floored = student.maximum(1e-12);
        double found = -teacher.mul(floored.log()).sum(new int[] {3}).mean().getDouble();

        assertEquals(1.91231587, found, 1e-7);
    }

    @Test
    void textsNoLongerThanTheWindowCountTwiceInTheReleasedTerraceAndOnceInOurs() {
        String compat = TERRACE.replace("anchor: end", "anchor: reference");
        NDArray twice = layer.output(compat, layer.v, 3);
        NDArray once = layer.output(TERRACE, layer.v, 3);

        // 3 tokens: softmax over all of them, and the linear sums over the same three
        NDArray window = layer.output(SLIDING, layer.v, 3);
        assertEquals(0, once.sub(window).abs().max().getDouble(), 1e-12);
        double apart = twice.sub(once).abs().max().getDouble();
        assertEquals(true, apart > 0.01, "differs by " + apart);
    }

    @Test
    void theReleasedTerraceDecodesWithAPlainWindow() {
        // known mismatch: what decoding gives after a prefill of 8 is 0.387 from the one-pass form
        NDArray onePass = layer.output(TERRACE);
        double apart = 0;
        for (int head = 0; head < SineLayer.HEADS; head++) {
            for (int token = 8; token < SineLayer.LENGTH; token++) {
                double[] decoded = layer.decoded(SLIDING, head, token);
                assertArrayEquals(decoded, layer.decoded(TERRACE, head, token), 1e-12);
                double[] expected = SineLayer.row(onePass, head, token);
                for (int d = 0; d < SineLayer.WIDTH; d++) {
                    apart = Math.max(apart, Math.abs(decoded[d] - expected[d]));
                }
            }
        }
        assertEquals(0.387, apart, 5e-4);
    }
}
