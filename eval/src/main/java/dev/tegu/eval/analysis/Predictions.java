package dev.tegu.eval.analysis;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.TokenBatch;
import java.util.Optional;
import java.util.stream.LongStream;

/** How far the student's predictions are from the teacher's, by place. */
final class Predictions {
    private static final int NUMBERS = 4;

    private final ModelPair models;
    private final Bins all = new Bins();
    private final Bins byPosition = new Bins();
    private final Bins byDistance = new Bins();

    Predictions(ModelPair models) {
        this.models = models;
    }

    /**
     * Compares what both models say after each token but the last.
     *
     * @param teacher residual stream after its last layer, [1, T, M]
     * @param student the same of the student
     */
    void add(NDArray teacher, NDArray student, int[] tokens) {
        int[] unseen = unseen(teacher.getManager(), tokens.length);
        int length = tokens.length - 1;
        for (int from = 0; from < length; from += models.logitRows()) {
            int to = Math.min(length, from + models.logitRows());
            try (NDManager scope = teacher.getManager().newSubManager()) {
                NDArray theirs = models.script().piece(teacher, from, to);
                theirs.attach(scope);
                NDArray own = models.script().piece(student, from, to);
                own.attach(scope);
                add(
                        models.script()
                                .compare(
                                        models.teacher().logits(theirs),
                                        models.student().logits(own),
                                        ModelPair.following(scope, tokens, from, to)),
                        from,
                        unseen);
            }
        }
    }

    private void add(float[] found, int from, int[] unseen) {
        int count = found.length / NUMBERS;
        for (int t = 0; t < count; t++) {
            double[] values = new double[NUMBERS];
            for (int i = 0; i < NUMBERS; i++) {
                values[i] = found[i * count + t];
            }
            if (Double.isNaN(values[0] + values[1] + values[2])) {
                throw new IllegalStateException(
                        "the "
                                + (Double.isNaN(values[0]) ? "teacher's" : "student's")
                                + " prediction after token "
                                + (from + t)
                                + " of a sequence is not a number; a weight or an attention state"
                                + " overflowed");
            }
            all.add(0, values);
            byPosition.add(from + t, values);
            byDistance.add(unseen[from + t], values);
        }
    }

    /** How many tokens up to each, itself included, the student's window does not show it. */
    private int[] unseen(NDManager parent, int length) {
        Optional<DecoderLayer> linear =
                models.student().layers().stream()
                        .filter(layer -> layer.attention().isPresent())
                        .findFirst();
        int[] unseen = new int[length];
        if (linear.isEmpty()) {
            return unseen;
        }
        try (NDManager scope = parent.newSubManager()) {
            NDArray ids = ModelPair.ids(scope, new int[length]);
            DecoderLayer.Places places = models.student().places(TokenBatch.of(ids));
            DecoderLayer.Projected in = linear.get().project(models.student().embed(ids));
            int step = models.rows(length);
            for (int from = 0; from < length; from += step) {
                long[] queries = LongStream.range(from, Math.min(length, from + step)).toArray();
                try (NDManager block = scope.newSubManager()) {
                    NDArray index = block.create(queries);
                    NDArray near = linear.get().inWindow(in, places, index);
                    near.attach(block);
                    float[] found = models.script().unseen(near, index);
                    for (int i = 0; i < found.length; i++) {
                        unseen[from + i] = Math.round(found[i]);
                    }
                }
            }
        }
        return unseen;
    }

    AnalysisResult.Agreement result() {
        return new AnalysisResult.Agreement(
                all.list().get(0).comparison(), byPosition.list(), byDistance.list());
    }
}
