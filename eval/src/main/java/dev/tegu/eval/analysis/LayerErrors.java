package dev.tegu.eval.analysis;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.TokenBatch;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.LongStream;

/**
 * How far each of the student's layers is from the teacher's on the teacher's own inputs, as in
 * attention transfer: no error of a layer reaches the next.
 *
 * <p>Time of the weights' rows O(T^2 H) a layer, in blocks of queries.
 */
final class LayerErrors {
    private final ModelPair models;
    private final int heads;
    private final List<Sums> layers = new ArrayList<>();
    private long tokens;

    /** Sums over tokens, by head and of the whole layer. */
    private static final class Sums {
        private final double[] error;
        private final double[] size;
        private final double[] cosine;
        private final double[] entropy;
        private final double[] beyond;
        private double updateError;
        private double update;

        Sums(int heads) {
            error = new double[heads];
            size = new double[heads];
            cosine = new double[heads];
            entropy = new double[heads];
            beyond = new double[heads];
        }
    }

    LayerErrors(ModelPair models) {
        this.models = models;
        this.heads = models.teacher().config().shape().numHeads();
        for (int i = 0; i < models.teacher().config().numLayers(); i++) {
            layers.add(new Sums(heads));
        }
    }

    /**
     * Goes through the teacher.
     *
     * @param ids [1, T]; its manager owns the result
     * @return the teacher's residual stream after the last layer
     */
    NDArray read(NDArray ids) {
        NDManager owner = ids.getManager();
        TokenBatch batch = TokenBatch.of(ids);
        DecoderLayer.Places theirs = models.teacher().places(batch);
        DecoderLayer.Places own = models.student().places(batch);
        NDArray hidden = models.teacher().embed(ids);
        for (int i = 0; i < layers.size(); i++) {
            try (NDManager scope = owner.newSubManager()) {
                hidden.attach(scope);
                DecoderLayer layer = models.teacher().layers().get(i);
                DecoderLayer.Taught taught = layer.taught(hidden, theirs);
                compare(i, hidden, taught, own);
                weights(i, taught.in(), theirs, own);
                hidden = taught.hidden();
                hidden.attach(owner);
            }
        }
        tokens += ids.getShape().get(1);
        return hidden;
    }

    private void compare(
            int number, NDArray before, DecoderLayer.Taught taught, DecoderLayer.Places own) {
        Sums sums = layers.get(number);
        DecoderLayer layer = models.student().layers().get(number);
        NDArray hidden = models.cast(before, models.student());
        DecoderLayer.Projected in = layer.project(hidden);
        NDArray attended = ModelPair.attended(layer, in, own);
        float[] found = models.script().headErrors(attended, taught.target());
        for (int h = 0; h < heads; h++) {
            sums.error[h] += found[h];
            sums.size[h] += found[heads + h];
            sums.cosine[h] += found[2 * heads + h];
        }
        NDArray after = layer.finish(hidden, attended);
        float[] stream = models.script().streamErrors(after, taught.hidden(), before);
        sums.updateError += stream[0];
        sums.update += stream[1];
    }

    private void weights(
            int number,
            DecoderLayer.Projected in,
            DecoderLayer.Places theirs,
            DecoderLayer.Places own) {
        Sums sums = layers.get(number);
        DecoderLayer teacher = models.teacher().layers().get(number);
        DecoderLayer student = models.student().layers().get(number);
        int length = (int) in.q().getShape().get(2);
        int step = models.rows((long) heads * length);
        for (int from = 0; from < length; from += step) {
            try (NDManager scope = in.q().getManager().newSubManager()) {
                long[] queries = LongStream.range(from, Math.min(length, from + step)).toArray();
                NDArray index = scope.create(queries);
                NDArray rows = teacher.softmaxRows(in, theirs, index);
                rows.attach(scope);
                add(sums.entropy, models.script().entropies(rows));
                if (student.attention().isPresent()) {
                    NDArray near = student.inWindow(in, own, index);
                    near.attach(scope);
                    add(sums.beyond, models.script().beyond(rows, near));
                }
            }
        }
    }

    private static void add(double[] sums, float[] found) {
        for (int h = 0; h < sums.length; h++) {
            sums[h] += found[h];
        }
    }

    List<AnalysisResult.Layer> results() {
        List<AnalysisResult.Layer> results = new ArrayList<>();
        for (int i = 0; i < layers.size(); i++) {
            Sums sums = layers.get(i);
            boolean isLinear = models.student().config().isLinear(i);
            List<AnalysisResult.Head> found = new ArrayList<>();
            double error = 0;
            double size = 0;
            double cosine = 0;
            for (int h = 0; h < heads; h++) {
                error += sums.error[h];
                size += sums.size[h];
                cosine += sums.cosine[h];
                found.add(
                        new AnalysisResult.Head(
                                i,
                                h,
                                sums.error[h] / sums.size[h],
                                sums.cosine[h] / tokens,
                                sums.entropy[h] / tokens,
                                isLinear
                                        ? OptionalDouble.of(sums.beyond[h] / tokens)
                                        : OptionalDouble.empty()));
            }
            results.add(
                    new AnalysisResult.Layer(
                            i,
                            isLinear,
                            error / size,
                            cosine / tokens / heads,
                            sums.updateError / sums.update,
                            found));
        }
        return results;
    }
}
