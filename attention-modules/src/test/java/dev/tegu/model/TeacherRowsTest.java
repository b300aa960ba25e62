package dev.tegu.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The teacher's attention weights, against its outputs. */
class TeacherRowsTest {
    private static final int TOKENS = 12;

    @ParameterizedTest(name = "padding {0}, documents {1}")
    @CsvSource({"false, false", "true, false", "false, true", "true, true"})
    void rowsTimesValuesAreTheSoftmaxOutput(boolean padding, boolean documents) throws IOException {
        try (DecoderModel model = TinyModels.random(TinyModels.config(false), 1);
                NDManager scope = model.manager().newSubManager()) {
            long[][] ids = new long[2][TOKENS];
            long[][] mask = new long[2][TOKENS];
            long[][] document = new long[2][TOKENS];
            for (int t = 0; t < TOKENS; t++) {
                ids[0][t] = (5L * t + 1) % 40;
                ids[1][t] = (7L * t + 3) % 40;
                mask[0][t] = t < 3 ? 0 : 1;
                mask[1][t] = t < TOKENS - 2 ? 1 : 0;
                document[0][t] = t < 7 ? 0 : 1;
                document[1][t] = t < 4 ? 0 : 1;
            }
            TokenBatch batch =
                    new TokenBatch(
                            scope.create(ids),
                            padding ? Optional.of(scope.create(mask)) : Optional.empty(),
                            documents ? Optional.of(scope.create(document)) : Optional.empty());
            DecoderLayer layer = model.layers().get(0);
            DecoderLayer.Places places = model.places(batch);
            DecoderLayer.Projected in = layer.project(model.embed(batch.ids()));

            NDArray rows = layer.softmaxRows(in, places, scope.create(new long[] {11, 4, 4, 0}));

            float[] expected = layer.softmax(in, places).get(":,:,11").toFloatArray();
            NDArray values = in.v().repeat(1, 2);
            assertArrayEquals(expected, rows.matMul(values).get(":,:,0").toFloatArray(), 2e-6f);
            assertArrayEquals(
                    layer.softmax(in, places).get(":,:,4").toFloatArray(),
                    rows.matMul(values).get(":,:,2").toFloatArray(),
                    2e-6f);
            float[] sums = rows.sum(new int[] {3}).toFloatArray();
            for (int i = 0; i < sums.length; i++) {
                // 4 heads of row 0, 4 of row 1, 4 queries each
                int at = new int[] {11, 4, 4, 0}[i % 4];
                boolean real = !padding || mask[i / 16][at] == 1;
                assertEquals(real ? 1 : 0, sums[i], 1e-6);
            }
        }
    }
}
