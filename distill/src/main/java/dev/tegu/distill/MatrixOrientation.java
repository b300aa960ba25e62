package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TokenBatch;
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
public final class MatrixOrientation extends LayerObjective {
    static final String STAGE = "matrix_orientation";

    private final MatrixOrientationSettings settings;

    /**
     * @param model a student; its linear layers' new parameters are trained
     * @throws dev.tegu.config.InvalidValueException if the settings do not fit the model
     */
    public MatrixOrientation(DecoderModel model, MatrixOrientationSettings settings) {
        super(
                model,
                TransferLayers.of(STAGE, settings.layers(), model.config()),
                kind -> kind != ParameterKind.OUTPUT_NORM,
                Scripts.transfer(0, 0));
        this.settings = settings;
    }

    @Override
    public String stage() {
        return STAGE;
    }

    @Override
    public int tokensRead(int sequenceLength) {
        settings.checkLength(sequenceLength);
        return settings.sequenceLength();
    }

    @Override
    TokenBatch tokens(TrainingBatch batch) {
        String first = ":,:" + tokensRead(Math.toIntExact(batch.ids().getShape().get(1)));
        return new TokenBatch(
                batch.ids().get(first),
                Optional.empty(),
                batch.documents().map(documents -> documents.get(first)));
    }

    @Override
    TeacherForcing.LayerLoss layerLoss(TokenBatch tokens, Optional<StepContext> training) {
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
}
