package dev.tegu.model;

import static dev.tegu.model.TinyStudents.alone;
import static dev.tegu.model.TinyStudents.part;
import static dev.tegu.model.TinyStudents.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/** Texts packed into one row see nothing of each other and count their positions from 0. */
class DocumentsTest {
    static final List<String> METHODS = TinyStudents.METHODS;

    private static final double TOLERANCE = 1e-4;

    /** Three texts, the last with the number of the first: what counts is that it changes. */
    private static final int[][] TEXTS = {text(6, 1), text(9, 2), text(5, 3)};

    private static final long[] NUMBERS = {3, 8, 3};

    /** The texts in one row, padding between the second and the third. */
    private static final int PADDING = 2;

    private static final int LENGTH = 20 + PADDING;

    private static TokenBatch packed(NDManager owner, int from, int to) {
        long[] ids = new long[LENGTH];
        long[] mask = new long[LENGTH];
        long[] documents = new long[LENGTH];
        int t = 0;
        for (int i = 0; i < TEXTS.length; i++) {
            t += i == 2 ? PADDING : 0;
            for (int id : TEXTS[i]) {
                ids[t] = id;
                mask[t] = 1;
                documents[t++] = NUMBERS[i];
            }
        }
        Shape shape = new Shape(1, (long) to - from);
        return new TokenBatch(
                owner.create(Arrays.copyOfRange(ids, from, to), shape),
                Optional.of(owner.create(Arrays.copyOfRange(mask, from, to), shape)),
                Optional.of(owner.create(Arrays.copyOfRange(documents, from, to), shape)));
    }

    private static float[] expected(DecoderModel model) {
        float[] all = new float[LENGTH * 40];
        int t = 0;
        for (int i = 0; i < TEXTS.length; i++) {
            t += i == 2 ? PADDING : 0;
            float[] own = alone(model, TEXTS[i]);
            System.arraycopy(own, 0, all, t * 40, own.length);
            t += TEXTS[i].length;
        }
        return all;
    }

    private static void assertTexts(float[] expected, float[] found, int from, int to) {
        for (int t = from; t < to; t++) {
            if (t < 15 || t >= 15 + PADDING) {
                double distance =
                        TinyModels.distance(
                                part(expected, t, t + 1), part(found, t - from, t - from + 1));
                assertTrue(distance <= TOLERANCE, "token " + t + " is off by " + distance);
            }
        }
    }

    @ParameterizedTest
    @FieldSource("METHODS")
    @DisplayName("18: explicit documents: positions restart, nothing is seen of the text before")
    void packedTextsAreThemselves(String method) throws Exception {
        try (DecoderModel model = TinyStudents.of(method);
                NDManager scope = model.manager().newSubManager()) {
            NDArray hidden = model.forward(packed(scope, 0, LENGTH));

            float[] found = model.logits(hidden).toFloatArray();

            assertTexts(expected(model), found, 0, LENGTH);
        }
    }

    @ParameterizedTest
    @FieldSource("METHODS")
    @DisplayName("18: explicit documents in pieces, then steps without: the last text goes on")
    void piecesOfPackedTexts(String method) throws Exception {
        try (DecoderModel model = TinyStudents.of(method);
                NDManager scope = model.manager().newSubManager();
                DecoderState state = model.newState()) {
            int[][] pieces = {{0, 4}, {4, 6}, {6, 7}, {7, 16}, {16, 18}, {18, 21}};
            float[] expected = expected(model);
            for (int[] piece : pieces) {
                NDArray hidden = model.forward(packed(scope, piece[0], piece[1]), state);
                assertTexts(expected, model.logits(hidden).toFloatArray(), piece[0], piece[1]);
            }
            assertArrayEquals(new long[] {4}, state.lengths());

            float[] last = TinyStudents.next(model, state, new int[] {TEXTS[2][4]});

            assertTexts(expected, last, 21, 22);
            assertArrayEquals(new long[] {5}, state.lengths());
        }
    }

    @Test
    @DisplayName("18: one document given explicitly is the same as none given")
    void oneDocumentIsNone() throws Exception {
        for (String method : METHODS) {
            try (DecoderModel model = TinyStudents.of(method);
                    NDManager scope = model.manager().newSubManager()) {
                TokenBatch plain = TinyStudents.batch(scope, text(13, 1), text(13, 2));
                NDArray documents = plain.ids().zerosLike().addi(6);
                TokenBatch named =
                        new TokenBatch(plain.ids(), Optional.empty(), Optional.of(documents));

                float[] a = model.logits(model.forward(plain)).toFloatArray();
                float[] b = model.logits(model.forward(named)).toFloatArray();

                assertArrayEquals(a, b, 1e-4f, method);
            }
        }
    }

    @Test
    void shapesThatDifferAreRefusedAtTheDoor() throws Exception {
        try (DecoderModel model = TinyStudents.of("teacher");
                NDManager scope = model.manager().newSubManager()) {
            NDArray ids = TinyStudents.batch(scope, text(4, 1)).ids();
            Optional<NDArray> wrong = Optional.of(scope.ones(new Shape(1, 3)));

            IllegalArgumentException e =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> new TokenBatch(ids, wrong, Optional.empty()));

            assertTrue(e.getMessage().contains("(1, 4), found (1, 3)"), e.getMessage());
        }
    }
}
