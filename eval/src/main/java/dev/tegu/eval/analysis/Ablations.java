package dev.tegu.eval.analysis;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.attention.LinearAttention.Branch;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TokenBatch;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * What the student loses without a branch of its attention, in all layers or in one, and what it
 * would win with one of the teacher's layers back.
 *
 * <p>A layer's variant begins at the residual stream that the student has there anyway, so L layers
 * with their variants cost as much as 2 L passes, not 4 L.
 */
final class Ablations {
    /** What may be taken away. */
    enum Variant {
        /** The linear branch is gone. */
        WINDOW_ONLY,
        /** The window is gone. */
        LINEAR_ONLY,
        /** Attention adds nothing. */
        NONE;

        Set<Branch> without() {
            return switch (this) {
                case WINDOW_ONLY -> Set.of(Branch.LINEAR);
                case LINEAR_ONLY -> Set.of(Branch.WINDOW);
                case NONE -> Set.of(Branch.WINDOW, Branch.LINEAR);
            };
        }

        /** Its name in results. */
        String word() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** Whether it differs from the student, and from the variants after it. */
        boolean isOf(AttentionSpec spec) {
            return this == NONE
                    ? spec.isLinear() || spec.window().size() > 0
                    : spec.hasBothBranches();
        }
    }

    private final ModelPair models;
    private final List<Variant> variants;
    private final Map<Variant, Double> whole = new EnumMap<>(Variant.class);
    private final List<Map<Variant, Double>> byLayer = new ArrayList<>();
    private final double[] taught;
    private long predictions;

    Ablations(ModelPair models) {
        this.models = models;
        Optional<AttentionSpec> spec = models.student().config().linearAttention();
        this.variants =
                List.of(Variant.values()).stream()
                        .filter(variant -> spec.filter(variant::isOf).isPresent())
                        .toList();
        int layers = models.student().layers().size();
        this.taught = new double[layers];
        for (int i = 0; i < layers; i++) {
            byLayer.add(new EnumMap<>(Variant.class));
        }
    }

    /** The variants that this student has. */
    List<Variant> variants() {
        return variants;
    }

    /**
     * Goes through the student.
     *
     * @param ids [1, T] of {@code tokens}; its manager owns the result
     * @return the student's residual stream after the last layer, nothing changed
     */
    NDArray read(NDArray ids, int[] tokens) {
        NDManager owner = ids.getManager();
        TokenBatch batch = TokenBatch.of(ids);
        DecoderModel student = models.student();
        DecoderLayer.Places places = student.places(batch);
        DecoderLayer.Places theirs = models.teacher().places(batch);
        for (Variant variant : variants) {
            try (NDManager scope = owner.newSubManager()) {
                NDArray end = forward(scope, ids, places, variant.without());
                whole.merge(variant, models.loss(student, end, tokens), Double::sum);
            }
        }
        NDArray hidden = student.embed(ids);
        for (int i = 0; i < taught.length; i++) {
            DecoderLayer layer = student.layers().get(i);
            try (NDManager scope = owner.newSubManager()) {
                hidden.attach(scope);
                if (layer.attention().isPresent()) {
                    for (Variant variant : variants) {
                        NDArray after = layer.forward(hidden, places, variant.without());
                        byLayer.get(i)
                                .merge(variant, lossAfter(i, after, places, tokens), Double::sum);
                    }
                }
                NDArray input = models.cast(hidden, models.teacher());
                NDArray after = models.teacher().layers().get(i).teacher(input, theirs);
                taught[i] += lossAfter(i, models.cast(after, student), places, tokens);
                hidden = layer.forward(hidden, places);
                hidden.attach(owner);
            }
        }
        predictions += tokens.length - 1;
        return hidden;
    }

    /** The student without some branches in any layer; the result belongs to the owner. */
    NDArray forward(NDManager owner, NDArray ids, DecoderLayer.Places places, Set<Branch> without) {
        NDArray hidden = models.student().embed(ids);
        hidden.attach(owner);
        for (DecoderLayer layer : models.student().layers()) {
            NDArray next = layer.forward(hidden, places, without);
            hidden.close();
            hidden = next;
        }
        return hidden;
    }

    /**
     * Loss of the student whose layer of that number gave this residual stream, which is closed.
     */
    private double lossAfter(int number, NDArray after, DecoderLayer.Places places, int[] tokens) {
        NDArray hidden = after;
        for (int i = number + 1; i < taught.length; i++) {
            NDArray next = models.student().layers().get(i).forward(hidden, places);
            hidden.close();
            hidden = next;
        }
        try (NDArray end = hidden) {
            return models.loss(models.student(), end, tokens);
        }
    }

    /** Mean loss of the student with a variant's branches alone in every layer. */
    double whole(Variant variant) {
        return whole.get(variant) / predictions;
    }

    List<AnalysisResult.LayerVariants> results() {
        List<AnalysisResult.LayerVariants> results = new ArrayList<>();
        for (int i = 0; i < taught.length; i++) {
            results.add(
                    new AnalysisResult.LayerVariants(
                            i,
                            mean(i, Variant.WINDOW_ONLY),
                            mean(i, Variant.LINEAR_ONLY),
                            mean(i, Variant.NONE),
                            taught[i] / predictions));
        }
        return results;
    }

    private OptionalDouble mean(int layer, Variant variant) {
        Double sum = byLayer.get(layer).get(variant);
        return sum == null ? OptionalDouble.empty() : OptionalDouble.of(sum / predictions);
    }
}
