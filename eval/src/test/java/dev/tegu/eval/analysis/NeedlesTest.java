package dev.tegu.eval.analysis;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.eval.analysis.AnalysisTexts.Needle;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.StudentConfig;
import dev.tegu.model.TinyModels;
import dev.tegu.model.TokenBatch;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Heads that copy: one planted by hand, and those of random models against plain loops. */
final class NeedlesTest {
    private static final int WIDTH = 16;

    /** How far before the token that predicts, the token to copy stands. */
    private static final int BACK = 9;

    /**
     * Two layers of two heads. In the second layer head 1 looks {@value BACK} tokens back and
     * copies the token there to the output; all other heads look at all tokens alike and add
     * nothing.
     */
    private static DecoderModel planted(Optional<String> spec) throws IOException {
        ObjectNode config = TinyModels.config(false);
        config.put("hidden_size", WIDTH)
                .put("head_dim", WIDTH)
                .put("vocab_size", WIDTH)
                .put("num_attention_heads", 2)
                .put("num_key_value_heads", 1)
                .put("num_hidden_layers", 2);
        if (spec.isPresent()) {
            config = StudentConfig.of(config, "config.json", TinyModels.spec(spec.get()));
        }
        DecoderModel model = TinyModels.random(config, 1);
        set(model.ends().get(0), identity(1));
        set(model.ends().get(2), identity(1));
        for (int i = 0; i < 2; i++) {
            DecoderLayer layer = model.layers().get(i);
            layer.weights()
                    .forEach(
                            (role, weight) -> {
                                if (!role.endsWith("layernorm")) {
                                    weight.muli(0);
                                }
                            });
            set(layer.weights().get("v_proj.weight"), identity(1));
            float[] key = new float[WIDTH];
            float[] query = new float[2 * WIDTH];
            int half = WIDTH / 2;
            for (int f = 0; f < half; f++) {
                // the key turns with its position; a query turned back by BACK meets it there
                double angle = BACK * Math.pow(10_000, -f / (double) half);
                key[f] = 1;
                query[WIDTH + f] = (float) (300 * Math.cos(angle));
                query[WIDTH + half + f] = (float) (-300 * Math.sin(angle));
            }
            set(layer.weights().get("k_proj.bias"), key);
            if (i == 1) {
                set(layer.weights().get("q_proj.bias"), query);
                float[] output = new float[2 * WIDTH * WIDTH];
                for (int m = 0; m < WIDTH; m++) {
                    output[m * 2 * WIDTH + WIDTH + m] = 10;
                }
                set(layer.weights().get("o_proj.weight"), output);
            }
        }
        return model;
    }

    private static float[] identity(float scale) {
        float[] values = new float[WIDTH * WIDTH];
        for (int i = 0; i < WIDTH; i++) {
            values[i * WIDTH + i] = scale;
        }
        return values;
    }

    private static void set(NDArray array, float[] values) {
        try (NDArray change = array.getManager().create(values, array.getShape())) {
            array.muli(0).addi(change);
        }
    }

    /** The answer repeats tokens that stand BACK tokens before those that predict them. */
    private static Needle needle(int length, int seed) {
        int[] ids = new int[30];
        for (int t = 0; t < ids.length; t++) {
            ids[t] = (5 * t * t + 3 * t + seed) % WIDTH;
        }
        int from = ids.length - length;
        int source = from - 1 - BACK;
        System.arraycopy(ids, source, ids, from, length);
        return new Needle(ids, from, source);
    }

    private static Needles read(DecoderModel teacher, DecoderModel student, List<Needle> needles) {
        try (AnalysisScript script = new AnalysisScript();
                NDManager owner = teacher.manager().newSubManager()) {
            ModelPair models = new ModelPair(teacher, student, script, 1 << 20);
            Needles found = new Needles(models, new Ablations(models));
            needles.forEach(needle -> found.read(owner, needle));
            return found;
        }
    }

    @Test
    void aPlantedCopyingHeadIsTheRetrievalHead() throws IOException {
        String wide =
                "{feature_map: {kind: hedgehog, feature_dim: 4}, window: {size: 32},"
                        + " linear_scope: outside_window}";
        try (DecoderModel teacher = planted(Optional.empty());
                DecoderModel student = planted(Optional.of(wide))) {
            Needles needles = read(teacher, student, List.of(needle(3, 0), needle(5, 4)));

            AnalysisResult.Retrieval found = needles.result().orElseThrow();
            assertEquals(2, found.documents());
            assertEquals(2, found.used());
            AnalysisResult.RetrievalHead best = found.heads().get(0);
            assertEquals("1.1", best.layer() + "." + best.head());
            assertEquals(1, best.teacherScore(), 1e-12);
            assertEquals(1, best.studentScore(), 1e-12);
            assertTrue(best.teacherWeight() > 0.99, "weight " + best.teacherWeight());
            assertEquals(best.teacherWeight(), best.studentWeight(), 1e-5);
            for (AnalysisResult.RetrievalHead other : found.heads().subList(1, 4)) {
                assertEquals(0, other.teacherScore());
                // alike over 25 to 29 tokens
                assertEquals(1 / 27.0, other.teacherWeight(), 0.003);
            }
            assertEquals(1, found.teacherHeads().size());
            assertEquals(1, found.keptHeads().size());
            assertEquals(1, needles.teacherAccuracy().orElseThrow());
            assertEquals(1, needles.studentAccuracy().orElseThrow());
            assertEquals(1, needles.accuracy(Ablations.Variant.WINDOW_ONLY).orElseThrow());
            assertEquals(0, needles.accuracy(Ablations.Variant.LINEAR_ONLY).orElseThrow());
            assertEquals(0, needles.accuracy(Ablations.Variant.NONE).orElseThrow());
        }
    }

    @Test
    void aWindowThatEndsBeforeTheNeedleLosesTheHead() throws IOException {
        String narrow = "{window: {size: 9}, linear_scope: none}";
        try (DecoderModel teacher = planted(Optional.empty());
                DecoderModel student = planted(Optional.of(narrow))) {
            Needles needles = read(teacher, student, List.of(needle(3, 0), needle(5, 4)));

            AnalysisResult.Retrieval found = needles.result().orElseThrow();
            assertEquals(1, found.heads().get(0).teacherScore(), 1e-12);
            assertEquals(0, found.heads().get(0).studentScore());
            assertEquals(0, found.heads().get(0).studentWeight());
            assertEquals(1, found.teacherHeads().size());
            assertEquals(0, found.keptHeads().size());
            assertEquals(0, needles.studentAccuracy().orElseThrow());
        }
    }

    @Test
    void aDocumentThatTheTeacherFailsDoesNotCount() throws IOException {
        Needle right = needle(3, 0);
        int[] ids = right.ids().clone();
        // the head looks at another token than the needle's
        Needle wrong = new Needle(ids, right.from(), right.source() - 4);
        System.arraycopy(ids, wrong.source(), ids, wrong.from(), wrong.length());
        try (DecoderModel teacher = planted(Optional.empty());
                DecoderModel student = planted(Optional.empty())) {
            Needles both = read(teacher, student, List.of(right, wrong));
            Needles none = read(teacher, student, List.of(wrong));

            assertEquals(2, both.result().orElseThrow().documents());
            assertEquals(1, both.result().orElseThrow().used());
            assertEquals(1, both.result().orElseThrow().heads().get(0).teacherScore(), 1e-12);
            assertEquals(0.5, both.teacherAccuracy().orElseThrow());
            assertEquals(List.of(), none.result().orElseThrow().heads());
        }
    }

    /** Scores and weights of random models, from the rows of the mixing matrix as Java floats. */
    @Test
    void scoresAndWeightsAreThoseOfPlainLoops() throws IOException {
        try (DecoderModel teacher = Pairs.teacher();
                DecoderModel student = Pairs.student("lizard", 4);
                NDManager scope = teacher.manager().newSubManager()) {
            int[] ids = new int[24];
            for (int t = 0; t < ids.length; t++) {
                ids[t] = 60 + t * t % 7;
            }
            Needle needle = answered(teacher, ids, 4);
            AnalysisResult.Retrieval found =
                    read(teacher, student, List.of(needle)).result().orElseThrow();

            assertEquals(1, found.used());
            double[][][][] expected = {walk(teacher, scope, needle), walk(student, scope, needle)};
            double copied = 0;
            for (AnalysisResult.RetrievalHead head : found.heads()) {
                double[] theirs = expected[0][head.layer()][head.head()];
                double[] own = expected[1][head.layer()][head.head()];
                assertEquals(theirs[0], head.teacherScore(), 1e-9);
                assertEquals(theirs[1], head.teacherWeight(), 1e-5);
                assertEquals(own[0], head.studentScore(), 1e-9);
                assertEquals(own[1], head.studentWeight(), 1e-5);
                copied += own[0] + theirs[0];
            }
            assertTrue(copied > 0, "some head must copy");
            for (int i = 1; i < found.heads().size(); i++) {
                assertTrue(
                        found.heads().get(i - 1).teacherScore()
                                >= found.heads().get(i).teacherScore());
            }
        }
    }

    /** A text whose last tokens are what the model says, with the same tokens put in before. */
    private static Needle answered(DecoderModel model, int[] ids, int length) {
        int from = ids.length - length;
        int source = from - 2 - length;
        // the answer depends on the needle and the needle is the answer: until both agree
        for (int round = 0; round < 40; round++) {
            for (int t = from; t < ids.length; t++) {
                ids[t] = Pairs.best(Pairs.logProbs(model, ids)[t - 1]);
            }
            Needle needle = new Needle(ids, from, source);
            if (needle.isWhole()) {
                return needle;
            }
            System.arraycopy(ids, from, ids, source, length);
            ids[round % source] = 61 + round;
        }
        throw new IllegalStateException("no text found");
    }

    /** By layer and head: score and weight. */
    private static double[][][] walk(DecoderModel model, NDManager scope, Needle needle) {
        int length = needle.ids().length;
        NDArray ids = Pairs.ids(scope, needle.ids());
        DecoderLayer.Places places = model.places(TokenBatch.of(ids));
        NDArray hidden = model.embed(ids);
        NDArray index = scope.create(needle.queries(), new Shape(needle.length()));
        double[][][] found = new double[model.layers().size()][4][2];
        for (int i = 0; i < found.length; i++) {
            DecoderLayer layer = model.layers().get(i);
            DecoderLayer.Projected in = layer.project(hidden);
            float[] rows =
                    (layer.attention().isPresent()
                                    ? layer.linearRows(in, places, index)
                                    : layer.softmaxRows(in, places, index))
                            .toFloatArray();
            for (int h = 0; h < 4; h++) {
                for (int t = 0; t < needle.length(); t++) {
                    int row = (h * needle.length() + t) * length;
                    int place = 0;
                    for (int j = 1; j < length; j++) {
                        place = rows[row + j] > rows[row + place] ? j : place;
                    }
                    int offset = place - needle.source();
                    boolean copied =
                            offset >= 0
                                    && offset < needle.length()
                                    && needle.ids()[place] == needle.ids()[needle.from() + t];
                    found[i][h][0] += copied ? 1.0 / needle.length() : 0;
                    found[i][h][1] += rows[row + needle.source() + t] / needle.length();
                }
            }
            hidden = layer.forward(hidden, places);
        }
        return found;
    }
}
