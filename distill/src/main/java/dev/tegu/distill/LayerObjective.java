package dev.tegu.distill;

import ai.djl.ndarray.NDManager;
import dev.tegu.checkpoint.DType;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TokenBatch;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.function.Predicate;

/**
 * A stage in which every layer is a problem of its own, under the teacher's residual stream: a way
 * through the layers, and the loss of one.
 */
abstract sealed class LayerObjective implements Objective, AutoCloseable
        permits MatrixOrientation, AttentionTransfer {
    final DecoderModel model;

    /** Methods of {@link Scripts#transfer}. */
    final TorchScript script;

    final TeacherForcing walk;

    /**
     * @param layers numbers of linearized layers
     * @param trains which of their new parameters are trained
     */
    LayerObjective(
            DecoderModel model,
            SortedSet<Integer> layers,
            Predicate<ParameterKind> trains,
            TorchScript script) {
        this.model = model;
        this.walk = new TeacherForcing(model, layers, trains, script);
        this.script = script;
    }

    /** What of a batch is read, owned by the manager of its ids. */
    abstract TokenBatch tokens(TrainingBatch batch);

    /**
     * @param tokens those of {@link #tokens}
     * @param training where training stands; absent: it is a measurement
     */
    abstract TeacherForcing.LayerLoss layerLoss(TokenBatch tokens, Optional<StepContext> training);

    @Override
    public final List<ParameterGroup> groups() {
        return walk.groups();
    }

    @Override
    public final boolean needsLossScaling() {
        return model.dtype() == DType.F16;
    }

    @Override
    public final BatchLosses backward(TrainingBatch batch, StepContext context) {
        return losses(batch, Optional.of(context));
    }

    @Override
    public final Losses loss(TrainingBatch batch) {
        return losses(batch, Optional.empty()).read();
    }

    private BatchLosses losses(TrainingBatch batch, Optional<StepContext> training) {
        NDManager owner = batch.ids().getManager();
        try (NDManager scope = owner.newSubManager()) {
            batch.borrowTokens(scope);
            return pass(batch, training).losses().attach(owner);
        }
    }

    /**
     * @param batch the manager of its ids owns the result
     * @param training where training stands; absent: no gradients are computed
     */
    TeacherForcing.Pass pass(TrainingBatch batch, Optional<StepContext> training) {
        TokenBatch tokens = tokens(batch);
        return walk.pass(tokens, training, layerLoss(tokens, training));
    }

    @Override
    public final Optional<String> firstNonFinite(TrainingBatch batch) {
        try (NDManager scope = batch.ids().getManager().newSubManager()) {
            batch.borrowTokens(scope);
            TokenBatch tokens = tokens(batch);
            return walk.firstNonFinite(tokens, layerLoss(tokens, Optional.empty()));
        }
    }

    @Override
    public final void close() {
        script.close();
    }
}
