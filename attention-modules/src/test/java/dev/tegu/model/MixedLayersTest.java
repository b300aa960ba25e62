package dev.tegu.model;

import static dev.tegu.model.TinyStudents.alone;
import static dev.tegu.model.TinyStudents.next;
import static dev.tegu.model.TinyStudents.part;
import static dev.tegu.model.TinyStudents.text;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Students some of whose layers stay softmax, each layer with its own kind of memory. */
class MixedLayersTest {
    private static final int LAYERS = 4;

    static Stream<Arguments> cases() {
        return Stream.of(
                Arguments.of("[0]", List.of(0)),
                Arguments.of("[3]", List.of(3)),
                Arguments.of("[0, 2]", List.of(0, 2)),
                Arguments.of("0.25", List.of(3)),
                Arguments.of("0.5", List.of(1, 3)),
                Arguments.of("1.0", List.of(0, 1, 2, 3)));
    }

    private static DecoderModel model(String keepSoftmax) throws Exception {
        ObjectNode config = TinyModels.config(false).put("num_hidden_layers", LAYERS);
        String spec =
                "{gate: scalar, window: {size: 3, shape: terrace}, linear_scope: outside_window,"
                        + " keep_softmax: "
                        + keepSoftmax
                        + "}";
        return TinyStudents.of(spec, config);
    }

    @ParameterizedTest
    @MethodSource("cases")
    @DisplayName(
            "19: softmax layers named or as a fraction, layer 0 too: pieces and steps = one pass")
    void piecesAndStepsAreOnePass(String keepSoftmax, List<Integer> kept) throws Exception {
        int[] text = text(26, 1);
        try (DecoderModel model = model(keepSoftmax);
                DecoderState state = model.newState()) {
            assertEquals(
                    kept,
                    IntStream.range(0, LAYERS)
                            .filter(i -> model.layers().get(i).attention().isEmpty())
                            .boxed()
                            .toList());
            float[] whole = alone(model, text);

            for (int[] piece : new int[][] {{0, 1}, {1, 12}, {12, 17}}) {
                int[] tokens = Arrays.copyOfRange(text, piece[0], piece[1]);
                assertClose(part(whole, piece[0], piece[1]), next(model, state, tokens));
            }
            long before = state.sizeBytes();
            for (int t = 17; t < text.length; t++) {
                assertClose(part(whole, t, t + 1), next(model, state, new int[] {text[t]}));
            }

            // keys and values of 2 heads of 4 float32 in each softmax layer, nothing in the others
            long grown = 9L * kept.size() * 2 * 2 * 4 * Float.BYTES;
            assertEquals(grown, state.sizeBytes() - before);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    @DisplayName("19: padded rows of a mixed model generate what each generates alone")
    void paddedRowsOfAMixedModel(String keepSoftmax, List<Integer> kept) throws Exception {
        Generator.Settings settings = new Generator.Settings(6, 0, 0, OptionalInt.empty());
        List<int[]> prompts = List.of(text(9, 1), text(2, 2), text(5, 3));
        try (DecoderModel model = model(keepSoftmax)) {
            Generator generator = new Generator(model);

            List<List<Integer>> together =
                    generator.generate(prompts, settings).stream()
                            .map(Generator.Generated::tokens)
                            .toList();

            for (int i = 0; i < prompts.size(); i++) {
                assertEquals(
                        generator.generate(prompts.get(i), settings, t -> {}).tokens(),
                        together.get(i),
                        "kept " + kept);
            }
        }
    }

    private static void assertClose(float[] expected, float[] found) {
        double distance = TinyModels.distance(expected, found);
        assertTrue(distance < 1e-4, "off by " + distance);
    }
}
