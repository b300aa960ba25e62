package dev.tegu.eval.analysis;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.LinearAttention.Branch;
import dev.tegu.checkpoint.DType;
import dev.tegu.config.InvalidValueException;
import dev.tegu.eval.CharTokenizer;
import dev.tegu.eval.EvalData;
import dev.tegu.eval.EvalProgress;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.StudentConfig;
import dev.tegu.model.TinyModels;
import dev.tegu.model.TokenBatch;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** An analysis against plain loops in doubles. */
final class AnalysisTest {
    private static final String SINKS = "window-sinks";

    @ParameterizedTest(name = "{0}")
    @ValueSource(
            strings = {
                "lolcats",
                "{feature_map: {kind: hedgehog, feature_dim: 4}, linear_scope: outside_window,"
                        + " window: {size: 64, shape: terrace}}"
            })
    void aWindowThatHoldsTheTextLosesNothing(String method) throws IOException {
        try (DecoderModel teacher = Pairs.teacher();
                DecoderModel student = Pairs.student(method, 64)) {
            AnalysisResult result = Pairs.analyse(teacher, student, 0);

            for (AnalysisResult.Layer layer : result.layers()) {
                assertTrue(layer.isLinear());
                assertEquals(0, layer.relativeMse(), 1e-10);
                assertEquals(1, layer.cosine(), 1e-5);
                assertEquals(0, layer.updateRelativeMse(), 1e-10);
                for (AnalysisResult.Head head : layer.heads()) {
                    assertEquals(0, head.weightBeyondWindow().orElseThrow(), 1e-12);
                }
            }
            AnalysisResult.Comparison mean = result.agreement().mean();
            assertEquals(0, mean.kl(), 1e-6);
            assertEquals(1, mean.top1Agreement());
            assertEquals(mean.teacherNll(), mean.studentNll(), 1e-5);
            assertEquals(Pairs.SEQUENCES * (Pairs.TOKENS - 1), mean.count());
            assertEquals(1, result.agreement().byDistance().size());
            assertEquals(0, result.agreement().byDistance().get(0).from());
            for (AnalysisResult.LayerVariants layer : result.byLayer()) {
                assertEquals(mean.studentNll(), layer.windowOnly().orElseThrow(), 1e-5);
                assertEquals(mean.studentNll(), layer.teacherLayer(), 1e-5);
            }
        }
    }

    @Test
    void predictionsAreThoseOfPlainLoops() throws IOException {
        try (DecoderModel teacher = Pairs.teacher();
                DecoderModel student = Pairs.student("lolcats", 4)) {
            AnalysisResult.Agreement found = Pairs.analyse(teacher, student, 0).agreement();

            // by position, then by distance: numbers in bins 0, 1, 2-3, 4-7, ...
            double[][][] sums = new double[2][7][5];
            for (int[] tokens : Pairs.texts(0).sequences()) {
                double[][] p = Pairs.logProbs(teacher, tokens);
                double[][] q = Pairs.logProbs(student, tokens);
                for (int t = 0; t + 1 < tokens.length; t++) {
                    double kl = 0;
                    for (int v = 0; v < Pairs.VOCABULARY; v++) {
                        kl += Math.exp(p[t][v]) * (p[t][v] - q[t][v]);
                    }
                    double same = Pairs.best(p[t]) == Pairs.best(q[t]) ? 1 : 0;
                    int next = tokens[t + 1];
                    double[] values = {1, -p[t][next], -q[t][next], kl, same};
                    int[] numbers = {t, Math.max(0, t + 1 - 4)};
                    for (int i = 0; i < 2; i++) {
                        int bin = 0;
                        while (numbers[i] >= 1 << bin) {
                            bin++;
                        }
                        for (int n = 0; n < 5; n++) {
                            sums[i][bin][n] += values[n];
                        }
                    }
                }
            }
            assertBins(sums[0], found.byPosition());
            assertBins(sums[1], found.byDistance());
            assertTrue(found.mean().kl() > 0.01, "the student must differ");
        }
    }

    private static void assertBins(double[][] sums, List<AnalysisResult.Bin> bins) {
        int at = 0;
        for (int bin = 0; bin < sums.length; bin++) {
            double count = sums[bin][0];
            if (count == 0) {
                continue;
            }
            AnalysisResult.Bin found = bins.get(at++);
            assertEquals(bin == 0 ? 0 : 1 << (bin - 1), found.from());
            assertEquals(1 << bin, found.to());
            assertEquals((long) count, found.comparison().count());
            assertEquals(sums[bin][1] / count, found.comparison().teacherNll(), 1e-5);
            assertEquals(sums[bin][2] / count, found.comparison().studentNll(), 1e-5);
            assertEquals(sums[bin][3] / count, found.comparison().kl(), 1e-5);
            assertEquals(sums[bin][4] / count, found.comparison().top1Agreement(), 1e-12);
        }
        assertEquals(bins.size(), at);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "{feature_map: hedgehog, linear_scope: outside_window, window: {size: 4}}|4|0|0",
                "{feature_map: hedgehog, linear_scope: outside_window, window: {size: 4, shape:"
                        + " terrace}}|0|4|0",
                "{linear_scope: none, window: {size: 4, keep_first: 2}}|4|0|2",
                "{feature_map: hedgehog, window: {size: 4}, keep_softmax: [1]}|4|0|0"
            })
    void errorsOfHeadsAreThoseOfPlainLoops(String spec, int window, int block, int first)
            throws IOException {
        try (DecoderModel teacher = Pairs.teacher();
                DecoderModel student =
                        Pairs.student(
                                spec.replace("hedgehog", "{kind: hedgehog, feature_dim: 4}"), 0)) {
            assertHeads(teacher, student, window, block, first);
        }
    }

    private static void assertHeads(
            DecoderModel teacher, DecoderModel student, int window, int block, int first) {
        List<AnalysisResult.Layer> found = Pairs.analyse(teacher, student, 0).layers();

        int layers = found.size();
        // error, size, cosine, entropy, weight beyond the window
        double[][][] sums = new double[layers][4][5];
        double[][] stream = new double[layers][2];
        int tokens = 0;
        for (int[] text : Pairs.texts(0).sequences()) {
            tokens += text.length;
            try (NDManager scope = teacher.manager().newSubManager()) {
                walk(teacher, student, scope, text, new int[] {window, block, first}, sums, stream);
            }
        }
        for (int i = 0; i < layers; i++) {
            AnalysisResult.Layer layer = found.get(i);
            double error = 0;
            double size = 0;
            for (int h = 0; h < 4; h++) {
                AnalysisResult.Head head = layer.heads().get(h);
                error += sums[i][h][0];
                size += sums[i][h][1];
                assertEquals(sums[i][h][0] / sums[i][h][1], head.relativeMse(), 1e-5);
                assertEquals(sums[i][h][2] / tokens, head.cosine(), 1e-5);
                assertEquals(sums[i][h][3] / tokens, head.entropy(), 1e-5);
                assertEquals(layer.isLinear(), head.weightBeyondWindow().isPresent());
                if (layer.isLinear()) {
                    double beyond = head.weightBeyondWindow().getAsDouble();
                    assertEquals(sums[i][h][4] / tokens, beyond, 1e-5);
                    assertTrue(beyond > 0.05, "the window must miss something");
                }
            }
            assertEquals(error / size, layer.relativeMse(), 1e-5);
            assertEquals(stream[i][0] / stream[i][1], layer.updateRelativeMse(), 1e-5);
            assertEquals(layer.isLinear(), layer.relativeMse() > 1e-3);
        }
    }

    private static void walk(
            DecoderModel teacher,
            DecoderModel student,
            NDManager scope,
            int[] text,
            int[] window,
            double[][][] sums,
            double[][] stream) {
        int length = text.length;
        NDArray ids = Pairs.ids(scope, text);
        DecoderLayer.Places places = teacher.places(TokenBatch.of(ids));
        NDArray hidden = teacher.embed(ids);
        long[] all = LongStream.range(0, length).toArray();
        for (int i = 0; i < sums.length; i++) {
            DecoderLayer layer = student.layers().get(i);
            DecoderLayer.Taught taught = teacher.layers().get(i).taught(hidden, places);
            DecoderLayer.Projected own = layer.project(hidden);
            float[] s =
                    (layer.attention().isPresent()
                                    ? layer.linear(own, places)
                                    : layer.softmax(own, places))
                            .toFloatArray();
            float[] t = taught.target().toFloatArray();
            float[] rows =
                    teacher.layers()
                            .get(i)
                            .softmaxRows(taught.in(), places, scope.create(all))
                            .toFloatArray();
            for (int h = 0; h < 4; h++) {
                for (int n = 0; n < length; n++) {
                    double ss = 0;
                    double tt = 0;
                    double st = 0;
                    for (int d = 0; d < 4; d++) {
                        double a = s[(h * length + n) * 4 + d];
                        double b = t[(h * length + n) * 4 + d];
                        sums[i][h][0] += (a - b) * (a - b);
                        ss += a * a;
                        tt += b * b;
                        st += a * b;
                    }
                    sums[i][h][1] += tt;
                    sums[i][h][2] += st / Math.sqrt(ss * tt);
                    for (int j = 0; j <= n; j++) {
                        double w = rows[(h * length + n) * length + j];
                        sums[i][h][3] -= w == 0 ? 0 : w * Math.log(w);
                        boolean seen =
                                window[1] > 0
                                        ? j / window[1] >= n / window[1] - 1
                                        : n - j < window[0];
                        sums[i][h][4] += seen || j < window[2] ? 0 : w;
                    }
                }
            }
            float[] after = layer.forward(hidden, places).toFloatArray();
            float[] target = taught.hidden().toFloatArray();
            float[] before = hidden.toFloatArray();
            for (int n = 0; n < after.length; n++) {
                stream[i][0] += Math.pow((double) after[n] - target[n], 2);
                stream[i][1] += Math.pow((double) target[n] - before[n], 2);
            }
            hidden = taught.hidden();
        }
    }

    @Test
    void aStudentsOwnWeightsAreThoseThatAreMeasured() throws IOException {
        AttentionSpec spec =
                TinyModels.spec(
                        "{feature_map: {kind: hedgehog, feature_dim: 4}, window: {size: 4}}");
        try (DecoderModel teacher = Pairs.teacher();
                DecoderModel student = Pairs.student(spec, 8)) {
            assertHeads(teacher, student, 4, 0, 0);
        }
    }

    @Test
    void theSizeOfTheBlocksChangesNothing() throws IOException {
        try (DecoderModel teacher = Pairs.teacher();
                DecoderModel student = Pairs.student("lizard", 4)) {
            Analysis analysis = Pairs.analysis(teacher, student, 2);
            // the first one leaves each model's table of cosines and sines
            AnalysisResult whole = analysis.run(teacher, student, EvalProgress.NONE);
            int teachers = teacher.manager().getManagedArrays().size();
            int students = student.manager().getManagedArrays().size();

            // blocks of 16 rows, the least
            AnalysisResult parts = analysis.run(teacher, student, 1, EvalProgress.NONE);

            assertNear(AnalysisJson.of(whole, "a", "b"), AnalysisJson.of(parts, "a", "b"), "");
            assertEquals(teachers, teacher.manager().getManagedArrays().size());
            assertEquals(students, student.manager().getManagedArrays().size());
        }
    }

    private static void assertNear(JsonNode expected, JsonNode found, String at) {
        if (expected.isNumber()) {
            assertEquals(expected.asDouble(), found.asDouble(), 1e-5, at);
            return;
        }
        assertEquals(expected.isContainerNode(), found.isContainerNode(), at);
        if (!expected.isContainerNode()) {
            assertEquals(expected, found, at);
        }
        assertEquals(expected.size(), found.size(), at);
        for (int i = 0; expected.isArray() && i < expected.size(); i++) {
            assertNear(expected.get(i), found.get(i), at + "/" + i);
        }
        expected.fieldNames()
                .forEachRemaining(
                        name -> assertNear(expected.get(name), found.get(name), at + "/" + name));
    }

    @Test
    void headsAreRankedByTheirError() throws IOException {
        try (DecoderModel teacher = Pairs.teacher();
                DecoderModel student = Pairs.student("lolcats", 4)) {
            List<AnalysisResult.Head> worst = Pairs.analyse(teacher, student, 0).worstHeads();

            assertEquals(12, worst.size());
            for (int i = 1; i < worst.size(); i++) {
                assertTrue(worst.get(i - 1).relativeMse() >= worst.get(i).relativeMse());
            }
        }
    }

    /** An affine window factor weighs one branch with 1 and the other with 0, set by hand. */
    @Test
    void aLayersVariantIsTheModelWithThatBranchZeroedByHand() throws IOException {
        String affine =
                "{feature_map: {kind: hedgehog, feature_dim: 4}, linear_scope: outside_window,"
                        + " window: {size: 4}, combine: {affine: true}}";
        try (DecoderModel teacher = TinyModels.random(Pairs.config(), 8);
                DecoderModel student = Pairs.student(affine, 4)) {
            List<AnalysisResult.LayerVariants> found = Pairs.analyse(teacher, student, 0).byLayer();

            for (int i = 0; i < found.size(); i++) {
                DecoderLayer layer = student.layers().get(i);
                NDArray factor = layer.parameters().get("window_factor");
                NDArray output = layer.weights().get("o_proj.weight");
                try (NDArray keptFactor = factor.duplicate();
                        NDArray keptOutput = output.duplicate()) {
                    double own = loss(student);
                    set(factor, 200);
                    assertVariant(loss(student), own, found.get(i).windowOnly());
                    set(factor, -200);
                    assertVariant(loss(student), own, found.get(i).linearOnly());
                    factor.muli(0).addi(keptFactor);
                    output.muli(0);
                    assertVariant(loss(student), own, found.get(i).none());
                    output.addi(keptOutput);
                }
            }
        }
    }

    private static void set(NDArray array, double value) {
        array.muli(0).addi(value);
    }

    private static void assertVariant(double expected, double own, OptionalDouble found) {
        assertEquals(expected, found.orElseThrow(), 1e-5);
        assertTrue(Math.abs(expected - own) > 1e-4, "the branch must matter");
    }

    private static double loss(DecoderModel model) {
        List<int[]> sequences = Pairs.texts(0).sequences();
        List<double[][]> found = new ArrayList<>();
        sequences.forEach(tokens -> found.add(Pairs.logProbs(model, tokens)));
        return Pairs.loss(found, sequences);
    }

    @Test
    void aTeachersLayerIsTheTeachersWholeLayer() throws IOException {
        // another teacher than the student's own: its MLP is not the student's either
        try (DecoderModel teacher = TinyModels.random(Pairs.config(), 8);
                DecoderModel student = Pairs.student("lolcats", 4)) {
            double found = Pairs.analyse(teacher, student, 0).byLayer().get(1).teacherLayer();

            List<double[][]> expected = new ArrayList<>();
            List<int[]> sequences = Pairs.texts(0).sequences();
            for (int[] tokens : sequences) {
                try (NDManager scope = student.manager().newSubManager()) {
                    NDArray ids = Pairs.ids(scope, tokens);
                    DecoderLayer.Places places = student.places(TokenBatch.of(ids));
                    NDArray hidden = student.layers().get(0).forward(student.embed(ids), places);
                    hidden = teacher.layers().get(1).teacher(hidden, places);
                    hidden = student.layers().get(2).forward(hidden, places);
                    expected.add(Pairs.logProbs(student, hidden, tokens.length));
                }
            }
            assertEquals(Pairs.loss(expected, sequences), found, 1e-5);
        }
    }

    @Test
    void allLayersAtOnceAreTheAblatedModel(@TempDir Path dir) throws IOException {
        Path path = dir.resolve("student");
        try (DecoderModel teacher = Pairs.teacher();
                DecoderModel student = Pairs.student("lizard", 4)) {
            ModelWriter.of(
                            student,
                            StudentConfig.of(
                                    Pairs.config(),
                                    "config.json",
                                    student.config().linearAttention().orElseThrow()),
                            DType.F32)
                    .write(path);

            List<AnalysisResult.Variant> whole = Pairs.analyse(teacher, student, 0).whole();

            assertEquals(
                    List.of("teacher", "student", "window_only", "linear_only", "none"),
                    whole.stream().map(AnalysisResult.Variant::name).toList());
            List<Set<Branch>> ablated =
                    List.of(
                            Set.of(),
                            Set.of(Branch.LINEAR),
                            Set.of(Branch.WINDOW),
                            Set.of(Branch.LINEAR, Branch.WINDOW));
            for (int i = 0; i < ablated.size(); i++) {
                try (DecoderModel model = DecoderModel.load(path, Device.cpu(), ablated.get(i))) {
                    assertEquals(loss(model), whole.get(i + 1).nll(), 1e-5);
                }
            }
        }
    }

    @Test
    void aStudentWithoutALinearBranchHasOneVariant() throws IOException {
        try (DecoderModel teacher = Pairs.teacher();
                DecoderModel student = Pairs.student(SINKS, 4)) {
            AnalysisResult result = Pairs.analyse(teacher, student, 0);

            assertEquals(
                    List.of("teacher", "student", "none"),
                    result.whole().stream().map(AnalysisResult.Variant::name).toList());
            assertTrue(result.byLayer().get(0).windowOnly().isEmpty());
            assertTrue(result.retrieval().isEmpty());
        }
    }

    @Test
    void modelsOfOtherSizesAndStudentsAsTeachersAreRefused() throws IOException {
        try (DecoderModel teacher = Pairs.teacher();
                DecoderModel small =
                        TinyModels.random(Pairs.config().put("num_hidden_layers", 2), 1);
                DecoderModel student = Pairs.student("lolcats", 4)) {
            assertTrue(Analysis.misfit(teacher.config(), student.config()).isEmpty());
            assertTrue(
                    Analysis.misfit(small.config(), student.config())
                            .orElseThrow()
                            .contains("3 layers, 4 heads of 4"));
            assertTrue(
                    Analysis.misfit(student.config(), student.config())
                            .orElseThrow()
                            .contains("found a student"));
            assertThrows(IllegalArgumentException.class, () -> Pairs.analyse(small, student, 0));
        }
    }

    @Test
    void textsThatAreTooShortAreRefused() {
        EvalData none = EvalData.none();
        EvalData one = new EvalData(List.of(new EvalData.NamedText("a", "Short.")));
        CharTokenizer tokenizer = new CharTokenizer(true);

        InvalidValueException noText =
                assertThrows(
                        InvalidValueException.class,
                        () -> AnalysisTexts.of(tokenizer, none, Pairs.settings(0), 64));
        InvalidValueException noPassage =
                assertThrows(
                        InvalidValueException.class,
                        () -> AnalysisTexts.of(tokenizer, one, Pairs.settings(1), 64));
        InvalidValueException tooLong =
                assertThrows(
                        InvalidValueException.class,
                        () -> AnalysisTexts.of(tokenizer, Pairs.text(), Pairs.settings(1), 64));

        assertEquals("data", noText.key());
        assertEquals("characters", noPassage.key());
        assertTrue(tooLong.getMessage().contains("the models take 64"), tooLong.getMessage());
        // what there is, is read
        assertEquals(7, AnalysisTexts.of(tokenizer, one, Pairs.settings(0), 64).context());
    }
}
