package dev.tegu.distill;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.engine.Numbers;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Next-token cross-entropy through the whole model, over whatever parameters it is given: adapters
 * in stage 2, every weight when a model is trained from scratch.
 *
 * <p>Memory: the model and all layers' activations.
 */
public final class NextToken implements Objective {
    private final String stage;
    private final DecoderModel model;
    private final Map<String, NDArray> parameters;
    private final double adapterDropout;

    /**
     * @param stage the stage's key in the configuration
     * @param parameters what is trained, by checkpoint name
     * @param adapterDropout part of the adapters' inputs that is dropped while training
     */
    public NextToken(
            String stage,
            DecoderModel model,
            Map<String, NDArray> parameters,
            double adapterDropout) {
        this.stage = stage;
        this.model = model;
        this.parameters = parameters;
        this.adapterDropout = adapterDropout;
    }

    /** The objective over every weight of a model, a tied head once. */
    public static NextToken overAllWeights(String stage, DecoderModel model) {
        ModelLayout layout = new ModelLayout(model.config());
        List<NDArray> ends = model.ends();
        Map<String, NDArray> weights = new LinkedHashMap<>();
        weights.put(layout.embedding().name(), ends.get(0));
        weights.put(layout.norm().name(), ends.get(1));
        if (!model.config().tiesEmbeddings()) {
            weights.put(layout.head().name(), ends.get(2));
        }
        for (int i = 0; i < model.layers().size(); i++) {
            DecoderLayer layer = model.layers().get(i);
            layout.layer(i)
                    .forEach(entry -> weights.put(entry.name(), layer.weights().get(entry.role())));
            layout.parameters(i)
                    .forEach(
                            entry ->
                                    weights.put(
                                            entry.name(), layer.parameters().get(entry.role())));
        }
        return new NextToken(stage, model, weights, 0);
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
    public Losses backward(TrainingBatch batch, StepContext context) {
        try (NDManager scope = batch.ids().getManager().newSubManager();
                GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            batch.borrowTokens(scope);
            scope.tempAttachAll(batch.labels());
            if (adapterDropout > 0) {
                // read by the script without waiting for a GPU
                NDArray probability = cpuScalar(scope, (float) adapterDropout);
                model.layers().forEach(layer -> layer.dropAdapterInputs(probability));
            }
            NDArray loss = crossEntropy(batch);
            collector.backward(
                    context.lossScale() == 1 ? loss : Numbers.times(loss, context.lossScale()));
            return Losses.of(loss.getFloat());
        } finally {
            model.layers().forEach(DecoderLayer::keepAdapterInputs);
        }
    }

    @Override
    public Losses loss(TrainingBatch batch) {
        try (NDManager scope = batch.ids().getManager().newSubManager()) {
            batch.borrowTokens(scope);
            scope.tempAttachAll(batch.labels());
            return Losses.of(crossEntropy(batch).getFloat());
        }
    }

    private NDArray crossEntropy(TrainingBatch batch) {
        return model.crossEntropy(model.forward(batch.tokens()), batch.labels());
    }

    private static NDArray cpuScalar(NDManager scope, float value) {
        NDArray scalar = scope.create(value).toDevice(Device.cpu(), false);
        scalar.attach(scope);
        return scalar;
    }
}
