package dev.tegu.eval.analysis;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.eval.analysis.AnalysisTexts.Needle;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TokenBatch;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What the heads look at while the number of a needle is written, and which variants of the student
 * still find it.
 *
 * <p>A head copies a token if, where the token is predicted, its largest weight lies on the same
 * token in the needle. The text is given with the right answer; documents where greedy decoding
 * would not write that answer do not count for the heads, so what counts is what decoding would do.
 */
final class Needles {
    private final ModelPair models;
    private final Ablations ablations;
    private final int heads;
    private final double[][][] sums;
    private final Map<Ablations.Variant, Integer> found = new EnumMap<>(Ablations.Variant.class);
    private int teacherFound;
    private int studentFound;
    private int documents;

    /** Numbers of a head: both models' scores and weights. */
    private static final int NUMBERS = 4;

    Needles(ModelPair models, Ablations ablations) {
        this.models = models;
        this.ablations = ablations;
        this.heads = models.teacher().config().shape().numHeads();
        this.sums = new double[models.teacher().config().numLayers()][heads][NUMBERS];
    }

    void read(NDManager owner, Needle needle) {
        try (NDManager scope = owner.newSubManager()) {
            NDArray ids = ModelPair.ids(scope, needle.ids());
            documents++;
            double[][][] seen = new double[sums.length][heads][NUMBERS];
            boolean isUsed = walk(models.teacher(), ids, needle, seen, 0);
            studentFound += walk(models.student(), ids, needle, seen, 1) ? 1 : 0;
            if (isUsed) {
                teacherFound++;
                add(seen);
            }
            DecoderLayer.Places places = models.student().places(TokenBatch.of(ids));
            for (Ablations.Variant variant : ablations.variants()) {
                try (NDManager step = scope.newSubManager()) {
                    NDArray end = ablations.forward(step, ids, places, variant.without());
                    int hit = isFound(models.student(), end, needle) ? 1 : 0;
                    found.merge(variant, hit, Integer::sum);
                }
            }
        }
    }

    /**
     * Goes through a model.
     *
     * @param at where the model's numbers stand: 0 the teacher's, 1 the student's
     * @return whether the model gives the answer
     */
    private boolean walk(
            DecoderModel model, NDArray ids, Needle needle, double[][][] seen, int at) {
        NDManager owner = ids.getManager();
        DecoderLayer.Places places = model.places(TokenBatch.of(ids));
        NDArray hidden = model.embed(ids);
        for (int i = 0; i < sums.length; i++) {
            DecoderLayer layer = model.layers().get(i);
            try (NDManager scope = owner.newSubManager()) {
                hidden.attach(scope);
                DecoderLayer.Projected in = layer.project(hidden);
                NDArray index = scope.create(needle.queries());
                NDArray rows =
                        layer.attention().isPresent()
                                ? layer.linearRows(in, places, index)
                                : layer.softmaxRows(in, places, index);
                float[] looked = models.script().lookedAt(rows, scope.create(needle.places()));
                note(looked, needle, seen[i], at);
                hidden = layer.finish(hidden, ModelPair.attended(layer, in, places));
                hidden.attach(owner);
            }
        }
        return isFound(model, hidden, needle);
    }

    private void note(float[] looked, Needle needle, double[][] seen, int at) {
        int steps = needle.length();
        for (int h = 0; h < heads; h++) {
            for (int t = 0; t < steps; t++) {
                boolean copied = needle.isCopied(t, Math.round(looked[h * steps + t]));
                seen[h][at] += copied ? 1.0 / steps : 0;
                seen[h][2 + at] += looked[(heads + h) * steps + t] / steps;
            }
        }
    }

    private void add(double[][][] seen) {
        for (int i = 0; i < sums.length; i++) {
            for (int h = 0; h < heads; h++) {
                for (int n = 0; n < NUMBERS; n++) {
                    sums[i][h][n] += seen[i][h][n];
                }
            }
        }
    }

    /** Whether every token of the answer is the most probable one. */
    private boolean isFound(DecoderModel model, NDArray hidden, Needle needle) {
        try (NDManager scope = hidden.getManager().newSubManager()) {
            NDArray last = models.script().positions(hidden, scope.create(needle.queries()));
            last.attach(scope);
            NDArray target =
                    ModelPair.following(
                            scope, needle.ids(), needle.from() - 1, needle.ids().length - 1);
            float[] answers = models.script().losses(model.logits(last), target);
            for (int t = 0; t < needle.length(); t++) {
                if (answers[needle.length() + t] == 0) {
                    return false;
                }
            }
            return true;
        }
    }

    OptionalDouble teacherAccuracy() {
        return share(teacherFound);
    }

    OptionalDouble studentAccuracy() {
        return share(studentFound);
    }

    OptionalDouble accuracy(Ablations.Variant variant) {
        return share(found.getOrDefault(variant, 0));
    }

    private OptionalDouble share(int count) {
        return documents == 0
                ? OptionalDouble.empty()
                : OptionalDouble.of((double) count / documents);
    }

    Optional<AnalysisResult.Retrieval> result() {
        if (documents == 0) {
            return Optional.empty();
        }
        List<AnalysisResult.RetrievalHead> all = new ArrayList<>();
        for (int i = 0; i < sums.length && teacherFound > 0; i++) {
            for (int h = 0; h < heads; h++) {
                double[] of = sums[i][h];
                all.add(
                        new AnalysisResult.RetrievalHead(
                                i,
                                h,
                                of[0] / teacherFound,
                                of[1] / teacherFound,
                                of[2] / teacherFound,
                                of[3] / teacherFound));
            }
        }
        all.sort(
                Comparator.comparingDouble(
                        (AnalysisResult.RetrievalHead head) -> -head.teacherScore()));
        return Optional.of(new AnalysisResult.Retrieval(documents, teacherFound, all));
    }
}
