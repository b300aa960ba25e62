package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import dev.tegu.checkpoint.DType;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TokenBatch;
import java.util.List;
import java.util.Optional;

/**
 * Stage 0: the mixing matrix of each linearized layer learns to be the teacher's.
 *
 * <p>With A the teacher's T x T attention weights of a head and B the student's, the loss of a
 * layer is the mean over batch, heads and rows of sum_j (a_ij - b_ij)^2. That is the square of
 * MOHAWK's norm of A - B over T, averaged over batch and heads: where that norm is least, so is
 * this for each matrix, and it does not grow with the length. Rows of a layer with a norm behind
 * its heads are those before it, so the norm's weight is not trained.
 *
 * <p>Each layer is a problem of its own, as in {@link AttentionTransfer}. Memory: the model, and
 * one layer's matrices O(B H T^2), which is why only the first tokens of each sequence are read.
 *
 * @see <a href="https://arxiv.org/abs/2408.10189">MOHAWK, stage 1: matrix orientation</a>
 */
public final class MatrixOrientation implements Objective, AutoCloseable {
    static final String STAGE = "matrix_orientation";

    private final DecoderModel model;
    private final MatrixOrientationSettings settings;
    private final TeacherForcing walk;
    private final TorchScript script;

    /**
     * @param model a student; its linear layers' new parameters are trained
     * @throws dev.tegu.config.InvalidValueException if the settings do not fit the model
     */
    public MatrixOrientation(DecoderModel model, MatrixOrientationSettings settings) {
        this.model = model;
        this.settings = settings;
        this.walk =
                new TeacherForcing(
                        model,
                        TransferLayers.of(STAGE, settings.layers(), model.config()),
                        kind -> kind != ParameterKind.OUTPUT_NORM);
        this.script = Scripts.transfer(0, 0);
    }

    @Override
    public String stage() {
        return STAGE;
    }

    @Override
    public List<ParameterGroup> groups() {
        return walk.groups();
    }

    @Override
    public boolean needsLossScaling() {
        return model.dtype() == DType.F16;
    }

    @Override
    public int tokensRead(int sequenceLength) {
        settings.checkLength(sequenceLength);
        return settings.sequenceLength();
    }

    @Override
    public Losses backward(TrainingBatch batch, StepContext context) {
        return losses(batch, Optional.of(context));
    }

    @Override
    public Losses loss(TrainingBatch batch) {
        return losses(batch, Optional.empty());
    }

    private Losses losses(TrainingBatch batch, Optional<StepContext> training) {
        try (NDManager scope = batch.ids().getManager().newSubManager()) {
            batch.borrowTokens(scope);
            return pass(batch, training).losses();
        }
    }

    /**
     * @param batch the manager of its ids owns the result
     * @param training where training stands; absent: no gradients are computed
     */
    TeacherForcing.Pass pass(TrainingBatch batch, Optional<StepContext> training) {
        TokenBatch tokens = firstTokens(batch);
        return walk.pass(tokens, training, layerLoss(tokens));
    }

    @Override
    public Optional<String> firstNonFinite(TrainingBatch batch) {
        try (NDManager scope = batch.ids().getManager().newSubManager()) {
            batch.borrowTokens(scope);
            TokenBatch tokens = firstTokens(batch);
            return walk.firstNonFinite(tokens, layerLoss(tokens), script);
        }
    }

    private TokenBatch firstTokens(TrainingBatch batch) {
        String first = ":,:" + tokensRead(Math.toIntExact(batch.ids().getShape().get(1)));
        return new TokenBatch(
                batch.ids().get(first),
                Optional.empty(),
                batch.documents().map(documents -> documents.get(first)));
    }

    private TeacherForcing.LayerLoss layerLoss(TokenBatch tokens) {
        NDArray all =
                tokens.ids().getManager().arange(0, settings.sequenceLength(), 1, DataType.INT64);
        return visit -> matrixLoss(visit, all);
    }

    private NDList matrixLoss(TeacherForcing.Visit visit, NDArray all) {
        return script.call(
                "matrix_loss",
                new TorchScript.Arguments()
                        .add(visit.layer().linearRows(visit.in(), visit.places(), all))
                        .add(visit.layer().softmaxRows(visit.in(), visit.places(), all)));
    }

    @Override
    public void close() {
        script.close();
    }
}
