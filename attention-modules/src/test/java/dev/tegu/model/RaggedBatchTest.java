package dev.tegu.model;

import static dev.tegu.model.TinyStudents.alone;
import static dev.tegu.model.TinyStudents.next;
import static dev.tegu.model.TinyStudents.part;
import static dev.tegu.model.TinyStudents.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.training.GradientCollector;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/** Rows of different lengths in one batch are what each is alone. */
class RaggedBatchTest {
    static final List<String> METHODS = TinyStudents.METHODS;

    static final List<String> ATTENDING =
            METHODS.stream().filter(method -> !method.equals("no-attention")).toList();

    private static final double TOLERANCE = 1e-4;

    /** Lengths below, at and above the window, and none at all. */
    private static final List<int[]> TEXTS =
            List.of(text(11, 1), text(3, 2), text(0, 0), text(4, 3), text(7, 4));

    private static final int LONGEST = 11;

    private interface Place {
        /** Column of a row's i-th token. */
        int of(int length, int i);
    }

    private static int[][] padded(Place place) {
        return TEXTS.stream()
                .map(
                        text -> {
                            int[] row = new int[LONGEST];
                            Arrays.fill(row, -1);
                            for (int i = 0; i < text.length; i++) {
                                row[place.of(text.length, i)] = text[i];
                            }
                            return row;
                        })
                .toArray(int[][]::new);
    }

    private static int left(int length, int i) {
        return LONGEST - length + i;
    }

    private static int right(int length, int i) {
        return i;
    }

    /** The first half at the row's begin, the second at its end. */
    private static int apart(int length, int i) {
        return i < length / 2 ? i : left(length, i);
    }

    @ParameterizedTest
    @FieldSource("METHODS")
    @DisplayName(
            "17: padding left, right and between: each row's logits are those of its text alone")
    void paddingAnywhereChangesNothing(String method) throws Exception {
        try (DecoderModel model = TinyStudents.of(method);
                NDManager scope = model.manager().newSubManager()) {
            for (Place place :
                    List.<Place>of(
                            RaggedBatchTest::left,
                            RaggedBatchTest::right,
                            RaggedBatchTest::apart)) {
                NDArray hidden = model.forward(TinyStudents.batch(scope, padded(place)));

                for (int row = 0; row < TEXTS.size(); row++) {
                    int[] text = TEXTS.get(row);
                    int[] columns =
                            IntStream.range(0, text.length)
                                    .map(i -> place.of(text.length, i))
                                    .toArray();
                    float[] found = TinyStudents.logits(model, hidden, row, columns);
                    if (text.length > 0) {
                        assertClose(alone(model, text), found, method + " row " + row);
                    }
                }
                assertFinite(model.logits(hidden).toFloatArray());
            }
        }
    }

    @ParameterizedTest
    @FieldSource("METHODS")
    @DisplayName(
            "17: ragged rows prefilled in padded pieces, then decoded, each at its own position")
    void raggedRowsDecodeAsAlone(String method) throws Exception {
        int steps = 7;
        try (DecoderModel model = TinyStudents.of(method);
                DecoderState state = model.newState()) {
            int[][] rows = padded(RaggedBatchTest::left);
            // one piece ends within the first row's window, and some rows are all padding in it
            for (int[] piece : new int[][] {{0, 3}, {3, 10}, {10, LONGEST}}) {
                int[][] part =
                        Arrays.stream(rows)
                                .map(row -> Arrays.copyOfRange(row, piece[0], piece[1]))
                                .toArray(int[][]::new);
                assertFinite(next(model, state, part));
            }
            assertArrayEquals(
                    TEXTS.stream().mapToLong(text -> text.length).toArray(), state.lengths());
            long bytes = state.sizeBytes();
            float[][] found = new float[steps][];
            for (int step = 0; step < steps; step++) {
                int[] tokens = text(steps, 9);
                int[][] column = new int[TEXTS.size()][];
                Arrays.fill(column, new int[] {tokens[step]});
                found[step] = next(model, state, column);
            }
            if (!method.equals("teacher")) {
                assertEquals(bytes, state.sizeBytes());
            }
            for (int row = 0; row < TEXTS.size(); row++) {
                int length = TEXTS.get(row).length;
                int[] whole = Arrays.copyOf(TEXTS.get(row), length + steps);
                System.arraycopy(text(steps, 9), 0, whole, length, steps);
                float[] expected = alone(model, whole);
                for (int step = 0; step < steps; step++) {
                    assertClose(
                            part(expected, length + step, length + step + 1),
                            part(found[step], row, row + 1),
                            method + " row " + row + " step " + step);
                }
            }
        }
    }

    @ParameterizedTest
    @FieldSource("ATTENDING")
    @DisplayName("17: gradients of padded rows are those of the texts alone, and finite")
    void paddingHasNoGradient(String method) throws Exception {
        try (DecoderModel model = TinyStudents.of(method);
                NDManager scope = model.manager().newSubManager()) {
            TokenBatch padded = TinyStudents.batch(scope, padded(RaggedBatchTest::apart));

            float[] found = gradient(model, List.of(padded));

            List<TokenBatch> alone = new ArrayList<>();
            for (int[] text : TEXTS) {
                if (text.length > 0) {
                    alone.add(TinyStudents.batch(scope, text));
                }
            }
            float[] expected = gradient(model, alone);
            assertFinite(found);
            double size = 0;
            for (float value : expected) {
                size = Math.max(size, Math.abs(value));
            }
            double off = TinyModels.distance(expected, found);
            assertTrue(off <= 1e-4 * Math.max(1, size), "off by " + off + " of " + size);
            assertTrue(size > 0);
        }
    }

    /**
     * Gradient at layer 0's value projection of the sum of each real token's hidden state times its
     * id.
     */
    private static float[] gradient(DecoderModel model, List<TokenBatch> batches) {
        NDArray weight = model.layers().get(0).weights().get("v_proj.weight");
        weight.setRequiresGradient(true);
        float[] sum = new float[Math.toIntExact(weight.size())];
        for (TokenBatch batch : batches) {
            NDArray ids = batch.ids().toType(DataType.FLOAT32, true);
            NDArray factor =
                    batch.mask()
                            .map(mask -> ids.mul(mask.toType(DataType.FLOAT32, true)))
                            .orElse(ids)
                            .expandDims(2);
            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                collector.zeroGradients();
                collector.backward(model.forward(batch).mul(factor).sum());
            }
            try (NDArray gradient = weight.getGradient()) {
                float[] own = gradient.toFloatArray();
                for (int i = 0; i < sum.length; i++) {
                    sum[i] += own[i];
                }
                gradient.subi(gradient);
            }
        }
        return sum;
    }

    @ParameterizedTest
    @FieldSource("METHODS")
    @DisplayName("17: prompts of different lengths generate together what each generates alone")
    void promptsGenerateTogether(String method) throws Exception {
        List<int[]> prompts = TEXTS.stream().filter(text -> text.length > 0).toList();
        try (DecoderModel model = TinyStudents.of(method)) {
            Generator generator = new Generator(model);
            for (double temperature : new double[] {0, 1.5}) {
                Generator.Settings free =
                        new Generator.Settings(9, temperature, 3, OptionalInt.empty());
                // a token that ends some row early, so that the batch loses rows on its way
                List<Integer> first = generator.generate(prompts.get(0), free, t -> {}).tokens();
                Generator.Settings settings =
                        new Generator.Settings(9, temperature, 3, OptionalInt.of(first.get(4)));
                List<List<Integer>> alone = new ArrayList<>();
                for (int[] prompt : prompts) {
                    alone.add(generator.generate(prompt, settings, t -> {}).tokens());
                }

                List<List<Integer>> together =
                        generator.generate(prompts, settings).stream()
                                .map(Generator.Generated::tokens)
                                .toList();

                assertEquals(alone, together);
                assertTrue(together.get(0).size() < 9);
            }
        }
    }

    private static void assertFinite(float[] values) {
        for (float value : values) {
            assertTrue(Float.isFinite(value), "found " + value);
        }
    }

    private static void assertClose(float[] expected, float[] found, String where) {
        double distance = TinyModels.distance(expected, found);
        assertTrue(distance <= TOLERANCE, where + ": off by " + distance);
    }
}
