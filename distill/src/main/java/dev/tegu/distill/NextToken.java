package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.FusedAttention;
import dev.tegu.checkpoint.DType;
import dev.tegu.config.InvalidValueException;
import dev.tegu.engine.Numbers;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.TokenLosses;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * Foretelling the next token through the whole model, over whatever parameters it is given:
 * adapters and new parameters in stage 2, every weight when a model is trained from scratch.
 *
 * <p>The loss is {@link TokenLosses}': cross-entropy with the text, and divergence from the
 * teacher, which is the model itself with softmax attention and without adapters.
 *
 * <p>Memory: the model and all layers' activations; with gradient checkpointing the layers' inputs
 * and one layer's activations.
 */
public final class NextToken implements Objective {
    private static final String FINETUNE = "lora_finetune";

    private final String stage;
    private final DecoderModel model;
    private final Map<String, NDArray> parameters;
    private final Options options;
    private final TokenLosses losses;
    private final ModelPass pass;
    private final WindowDropout windowDropout;

    /**
     * How the loss is made up and computed.
     *
     * @param factors of the loss
     * @param adapterDropout part of the adapters' inputs that is dropped while training
     * @param gradientCheckpointing whether the backward pass computes each layer a second time
     * @param windowDropout probabilities of {@link WindowDropout}, none: windows stay
     */
    record Options(
            TokenLosses.Factors factors,
            double adapterDropout,
            boolean gradientCheckpointing,
            List<Double> windowDropout) {}

    NextToken(String stage, DecoderModel model, Map<String, NDArray> parameters, Options options) {
        this.stage = stage;
        this.model = model;
        this.parameters = parameters;
        this.options = options;
        this.losses = new TokenLosses(model, options.factors());
        this.pass = new ModelPass(model, losses);
        this.windowDropout = new WindowDropout(options.windowDropout());
    }

    /**
     * Cross-entropy alone.
     *
     * @param stage the stage's key in the configuration
     * @param parameters what is trained, by checkpoint name
     * @param adapterDropout part of the adapters' inputs that is dropped while training
     */
    public NextToken(
            String stage,
            DecoderModel model,
            Map<String, NDArray> parameters,
            double adapterDropout) {
        this(
                stage,
                model,
                parameters,
                new Options(TokenLosses.Factors.CROSS_ENTROPY, adapterDropout, false, List.of()));
    }

    /** The objective over every weight of a model, a tied head once. */
    public static NextToken overAllWeights(String stage, DecoderModel model) {
        return new NextToken(stage, model, TrainedParameters.everything(model), 0);
    }

    /**
     * Stage 2.
     *
     * @param adapters the model's, if the settings train some
     * @throws dev.tegu.config.InvalidValueException if the model has nothing that the settings
     *     train
     */
    public static NextToken finetune(
            LoraFinetuneSettings settings, DecoderModel model, Optional<LoraAdapters> adapters) {
        return new NextToken(
                FINETUNE,
                model,
                TrainedParameters.of(model, adapters, settings.trains()),
                new Options(
                        settings.factors(),
                        settings.loraDropout(),
                        settings.gradientCheckpointing(),
                        settings.windowDropout()));
    }

    /**
     * Refuses settings of stage 2 that do not fit a model, before it is loaded.
     *
     * @param model with the student's attention
     * @throws dev.tegu.config.InvalidValueException at {@code lora_finetune}'s keys
     */
    public static void checkFinetune(LoraFinetuneSettings settings, ModelConfig model) {
        try {
            settings.adapters().check(model);
            TrainedParameters.check(model, settings.trains());
        } catch (InvalidValueException e) {
            throw new InvalidValueException(FINETUNE + "." + e.key(), e.getMessage());
        }
        model.linearAttention()
                .ifPresent(m -> WindowDropout.check(FINETUNE, settings.windowDropout(), m));
    }

    /** Takes the attention outside of autograd from now on, whatever the device. */
    void split(FusedAttention attention) {
        pass.split(attention);
    }

    @Override
    public String stage() {
        return stage;
    }

    @Override
    public List<ParameterGroup> groups() {
        return List.of(new ParameterGroup(stage, parameters));
    }

    @Override
    public boolean needsLossScaling() {
        return model.dtype() == DType.F16;
    }

    @Override
    public BatchLosses backward(TrainingBatch batch, StepContext context) {
        NDManager owner = batch.ids().getManager();
        try (NDManager scope = owner.newSubManager()) {
            borrow(batch, scope);
            Optional<NDArray> teacher = teacher(batch);
            startDropping(scope, context);
            ModelPass.Input in =
                    new ModelPass.Input(batch, teacher, seeds(context), context.lossScale());
            NDArray means = pass.gradients(in, options.gradientCheckpointing());
            return new BatchLosses(new NDList(means), values -> losses(values.get(0)))
                    .attach(owner);
        } finally {
            stopDropping();
        }
    }

    /** What is dropped while training, from here on. */
    private void startDropping(NDManager scope, StepContext context) {
        windowDropout.begin(model, context);
        if (options.adapterDropout() > 0) {
            NDArray probability = Numbers.onCpu(scope, options.adapterDropout());
            model.layers().forEach(layer -> layer.dropAdapterInputs(probability));
        }
    }

    private void stopDropping() {
        WindowDropout.end(model);
        model.layers().forEach(DecoderLayer::keepAdapterInputs);
    }

    /** Has a layer draw the same whenever it is computed in this batch. */
    private IntConsumer seeds(StepContext context) {
        if (options.adapterDropout() == 0) {
            return layer -> {};
        }
        return layer ->
                model.manager()
                        .getEngine()
                        .setRandomSeed(context.random("lora_dropout", layer).nextInt());
    }

    @Override
    public Losses loss(TrainingBatch batch) {
        try (NDManager scope = batch.ids().getManager().newSubManager()) {
            borrow(batch, scope);
            NDArray normed = model.normed(model.forward(batch.tokens()));
            return losses(losses.means(normed, batch.labels(), teacher(batch)).toFloatArray());
        }
    }

    @Override
    public Optional<String> firstNonFinite(TrainingBatch batch) {
        try (NDManager scope = batch.ids().getManager().newSubManager()) {
            borrow(batch, scope);
            DecoderLayer.Places places = model.places(batch.tokens(), model.hasSoftmax());
            NDArray hidden = model.embed(batch.ids(), places);
            if (!losses.isFinite(hidden)) {
                return Optional.of("embed_tokens");
            }
            for (int i = 0; i < model.layers().size(); i++) {
                hidden = model.layers().get(i).forward(hidden, places);
                if (!losses.isFinite(hidden)) {
                    return Optional.of("layers." + i);
                }
            }
            return Optional.of("head");
        }
    }

    private static void borrow(TrainingBatch batch, NDManager scope) {
        batch.borrowTokens(scope);
        scope.tempAttachAll(batch.labels());
    }

    /** The teacher's normed hidden states, [B, T, M], if its predictions count. */
    private Optional<NDArray> teacher(TrainingBatch batch) {
        if (options.factors().kl() == 0) {
            return Optional.empty();
        }
        try (NDArray hidden = model.teacher(batch.tokens())) {
            return Optional.of(model.normed(hidden));
        }
    }

    /**
     * @param values of {@link TokenLosses.Found#means}
     */
    private Losses losses(float[] values) {
        TokenLosses.Factors factors = options.factors();
        List<Losses.Part> parts = new ArrayList<>();
        parts.add(new Losses.Part("cross_entropy", values[0], Double.NaN));
        if (factors.kl() > 0) {
            parts.add(new Losses.Part("kl", values[1], Double.NaN));
        }
        return new Losses(factors.total(values[0], values[1]), parts);
    }
}
