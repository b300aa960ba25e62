package dev.tegu.model;

import static dev.tegu.model.TinyStudents.alone;
import static dev.tegu.model.TinyStudents.next;
import static dev.tegu.model.TinyStudents.part;
import static dev.tegu.model.TinyStudents.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/** RoPE positions of decoded tokens, of scaled models, and far out. */
class PositionsTest {
    static final List<String> METHODS = TinyStudents.METHODS;

    /** Llama 3.1's scaling, its bounds moved so that a head of 4 has waves on both sides. */
    private static ObjectNode scaled(ObjectNode config) {
        config.putObject("rope_scaling")
                .put("rope_type", "llama3")
                .put("factor", 8.0)
                .put("low_freq_factor", 1.0)
                .put("high_freq_factor", 4.0)
                .put("original_max_position_embeddings", 40);
        return config;
    }

    @ParameterizedTest
    @FieldSource("METHODS")
    @DisplayName("18: decoded tokens stand at their positions, with Llama 3.1's scaling too")
    void decodedTokensStandAtTheirPositions(String method) throws Exception {
        int[] text = text(23, 1);
        for (boolean isScaled : new boolean[] {false, true}) {
            ObjectNode config = TinyModels.config(false);
            try (DecoderModel model = TinyStudents.of(method, isScaled ? scaled(config) : config);
                    DecoderState state = model.newState()) {
                float[] whole = alone(model, text);

                next(model, state, Arrays.copyOf(text, 9));
                for (int t = 9; t < text.length; t++) {
                    float[] found = next(model, state, new int[] {text[t]});
                    double off = TinyModels.distance(part(whole, t, t + 1), found);
                    assertTrue(off < 1e-4, "token " + t + " is off by " + off);
                }
                assertArrayEquals(new long[] {23}, state.lengths());
            }
        }
    }

    @Test
    @DisplayName("18: scaling changes what a model with RoPE says, and nothing else does")
    void scalingMatters() throws IOException {
        int[] text = text(23, 1);
        try (DecoderModel plain = TinyStudents.of("teacher");
                DecoderModel scaled =
                        TinyStudents.of("teacher", scaled(TinyModels.config(false)))) {
            float[] a = alone(plain, text);
            float[] b = alone(scaled, text);

            assertArrayEquals(part(a, 0, 1), part(b, 0, 1), "position 0 is not turned");
            assertTrue(TinyModels.distance(a, b) > 1e-2);
        }
    }

    @Test
    @DisplayName("18: cosines past position 8192 are those of Llama 3.1's frequencies")
    void cosinesFarOut() throws IOException {
        ObjectNode config = TinyModels.config(false).put("rope_theta", 500_000).put("head_dim", 8);
        config.putObject("rope_scaling")
                .put("rope_type", "llama3")
                .put("factor", 8.0)
                .put("low_freq_factor", 1.0)
                .put("high_freq_factor", 4.0)
                .put("original_max_position_embeddings", 8192);
        // theta^(-i / 4): waves of 6, 167, 4443 and 118143 tokens; the first two are shorter than
        // 8192 / 4 and stay, the third is blended, the last is longer than 8192 and stretched
        double third = Math.pow(500_000, -0.5);
        double smooth = (8192 * third / (2 * Math.PI) - 1) / 3;
        double[] frequencies = {
            1,
            Math.pow(500_000, -0.25),
            third * (smooth + (1 - smooth) / 8),
            Math.pow(500_000, -0.75) / 8
        };
        try (DecoderModel model = TinyStudents.of("teacher", config);
                NDManager scope = model.manager().newSubManager()) {
            float[] cos = model.rope(scope, 8190, 8300).cos().toFloatArray();
            float[] sin = model.rope(scope, 8190, 8300).sin().toFloatArray();

            for (int t = 0; t < 110; t++) {
                for (int i = 0; i < 8; i++) {
                    double angle = (8190 + t) * frequencies[i % 4];
                    assertEquals(Math.cos(angle), cos[t * 8 + i], 1e-6);
                    assertEquals(Math.sin(angle), sin[t * 8 + i], 1e-6);
                }
            }
        }
    }

    @Test
    @DisplayName("18: positions past 8192: pieces and steps say what one pass says, rows apart too")
    void positionsPast8192() throws IOException {
        int length = 8230;
        int start = 8200;
        int[] text = text(length, 1);
        ObjectNode config = scaled(TinyModels.config(false)).put("num_hidden_layers", 1);
        try (DecoderModel model = TinyStudents.of("lolcats", config);
                DecoderState state = model.newState()) {
            float[] whole = part(alone(model, text), start, length);
            int[] shorter = text(start, 2);
            Arrays.fill(shorter, 0, start - 5, -1);
            for (int from = 0; from < start; from += 4100) {
                next(
                        model,
                        state,
                        Arrays.copyOfRange(text, from, from + 4100),
                        Arrays.copyOfRange(shorter, from, from + 4100));
            }
            assertArrayEquals(new long[] {start, 5}, state.lengths());
            for (int t = start; t < length; t++) {
                float[] found = next(model, state, new int[] {text[t]}, new int[] {text[t]});
                double off =
                        TinyModels.distance(
                                part(whole, t - start, t - start + 1), part(found, 0, 1));
                assertTrue(off < 1e-4, "token " + t + " is off by " + off);
            }
        }
    }
}
