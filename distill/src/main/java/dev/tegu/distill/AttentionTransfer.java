package dev.tegu.distill;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.engine.Numbers;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TokenBatch;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;

/**
 * Stage 1: each linearized layer learns to put out what the softmax attention in its place would,
 * or to weigh as it does.
 *
 * <p>The teacher's outputs flow on to the next layer (teacher forcing), so every layer is a problem
 * of its own: its loss is computed and differentiated at once, and only one layer's activations
 * stand in memory. {@link TransferLoss} is the loss of a layer; reported: the mean over the layers
 * that are trained.
 *
 * <p>Memory: the model, one layer's activations O(B T (H F + H W + M)), with the cross-entropy of n
 * queries O(B H n T) more, and the trained state.
 *
 * @see <a href="https://arxiv.org/abs/2410.10254">LoLCATs, section 3.2 and equation 6</a>
 */
public final class AttentionTransfer extends LayerObjective {
    static final String STAGE = "attention_transfer";

    private final TransferLoss loss;
    private final WindowDropout windowDropout;

    /**
     * Trains every linearized layer on its outputs.
     *
     * @param model a student; its linear layers' new parameters are trained
     */
    public AttentionTransfer(DecoderModel model) {
        this(model, 0, model.layers().size());
    }

    /** Trains those of a range of layers on their outputs. */
    public AttentionTransfer(DecoderModel model, int fromLayer, int toLayer) {
        this(model, TransferLoss.OUTPUTS, List.of(), List.of(), fromLayer, toLayer);
    }

    /**
     * Trains as the settings say.
     *
     * @param model a student
     * @throws dev.tegu.config.InvalidValueException if the settings do not fit the model
     */
    public AttentionTransfer(DecoderModel model, AttentionTransferSettings settings) {
        this(model, settings, 0, model.layers().size());
    }

    /**
     * Trains those layers of the settings that lie in a range, to the same steps as training all
     * would: the teacher's layers below just run, those above do not.
     *
     * @param model a student
     * @param fromLayer first layer of the range
     * @param toLayer layer after the last of the range
     * @throws IllegalArgumentException if the range is empty or not inside of the model
     * @throws dev.tegu.config.InvalidValueException if the settings do not fit the model
     */
    public AttentionTransfer(
            DecoderModel model, AttentionTransferSettings settings, int fromLayer, int toLayer) {
        this(
                model,
                checked(settings, model).loss(),
                settings.layers(),
                settings.windowDropout(),
                fromLayer,
                toLayer);
    }

    private static AttentionTransferSettings checked(
            AttentionTransferSettings settings, DecoderModel model) {
        settings.check(model.config());
        return settings;
    }

    private AttentionTransfer(
            DecoderModel model,
            TransferLoss loss,
            List<Integer> layers,
            List<Double> windowDropout,
            int fromLayer,
            int toLayer) {
        super(
                model,
                chosen(model, layers, fromLayer, toLayer),
                kind -> true,
                Scripts.transfer(loss.mseFactor(), loss.xentFactor()));
        this.loss = loss;
        this.windowDropout = new WindowDropout(windowDropout);
    }

    private static SortedSet<Integer> chosen(
            DecoderModel model, List<Integer> layers, int fromLayer, int toLayer) {
        if (fromLayer < 0 || fromLayer >= toLayer || toLayer > model.layers().size()) {
            throw new IllegalArgumentException(
                    ("layers "
                                    + fromLayer
                                    + " to "
                                    + toLayer
                                    + ": expected a range inside of 0 to ")
                            + model.layers().size());
        }
        return TransferLayers.of(STAGE, layers, model.config()).subSet(fromLayer, toLayer);
    }

    @Override
    public String stage() {
        return STAGE;
    }

    @Override
    TokenBatch tokens(TrainingBatch batch) {
        return batch.tokens();
    }

    @Override
    TeacherForcing.Pass pass(TrainingBatch batch, Optional<StepContext> training) {
        training.ifPresent(context -> windowDropout.begin(model, context));
        try {
            return super.pass(batch, training);
        } finally {
            WindowDropout.end(model);
        }
    }

    @Override
    TeacherForcing.LayerLoss layerLoss(TokenBatch tokens, Optional<StepContext> training) {
        if (loss.xentFactor() == 0) {
            return new Outputs();
        }
        int length = Math.toIntExact(tokens.ids().getShape().get(1));
        int[] places = Queries.of(loss.xentQueries(), length, training);
        NDArray queries = places(places, tokens.ids());
        return visit -> weightLoss(visit, queries);
    }

    /** On their way to the device of the tokens, which is not waited for. */
    private NDArray places(int[] places, NDArray like) {
        try (NDManager cpu = like.getManager().newSubManager(Device.cpu())) {
            NDArray numbers = cpu.create(places, new Shape(1, places.length));
            return script.call("moved", new TorchScript.Arguments().add(like).add(numbers)).get(0);
        }
    }

    /** Squared error of the outputs. */
    private final class Outputs implements TeacherForcing.OutputLoss {
        @Override
        public NDList of(TeacherForcing.Visit visit) {
            return script.call("output_loss", outputs(visit));
        }

        @Override
        public NDList slope(NDArray student, NDArray target, float scale) {
            return script.call(
                    "output_slope",
                    new TorchScript.Arguments()
                            .add(student)
                            .add(target)
                            .add(Numbers.onCpu(student.getManager(), scale)));
        }
    }

    private NDList weightLoss(TeacherForcing.Visit visit, NDArray queries) {
        return script.call(
                "weight_loss",
                outputs(visit)
                        .add(visit.layer().linearRows(visit.in(), visit.places(), queries))
                        .add(visit.layer().softmaxRows(visit.in(), visit.places(), queries)));
    }

    private static TorchScript.Arguments outputs(TeacherForcing.Visit visit) {
        return new TorchScript.Arguments()
                .add(visit.layer().linear(visit.in(), visit.places()))
                .add(visit.target());
    }
}
