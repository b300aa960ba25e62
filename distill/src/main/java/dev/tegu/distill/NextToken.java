package dev.tegu.distill;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.model.DecoderModel;
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

    /**
     * @param stage the stage's key in the configuration
     * @param parameters what is trained, by checkpoint name
     */
    public NextToken(String stage, DecoderModel model, Map<String, NDArray> parameters) {
        this.stage = stage;
        this.model = model;
        this.parameters = parameters;
    }

    @Override
    public String stage() {
        return stage;
    }

    @Override
    public List<Map<String, NDArray>> groups() {
        return List.of(parameters);
    }

    @Override
    public double backward(NDArray ids, NDArray labels) {
        try (NDManager scope = ids.getManager().newSubManager();
                GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            scope.tempAttachAll(ids, labels);
            NDArray loss = model.crossEntropy(model.forward(ids), labels);
            collector.backward(loss);
            return loss.getFloat();
        }
    }

    @Override
    public double loss(NDArray ids, NDArray labels) {
        try (NDManager scope = ids.getManager().newSubManager()) {
            scope.tempAttachAll(ids, labels);
            return model.crossEntropy(model.forward(ids), labels).getFloat();
        }
    }
}
