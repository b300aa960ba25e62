package dev.tegu.distill;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.checkpoint.DType;
import dev.tegu.engine.Numbers;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Stage 1: each linearized layer learns to put out what the softmax attention in its place would.
 *
 * <p>The teacher's outputs flow on to the next layer (teacher forcing), so every layer is a problem
 * of its own: its loss is computed and differentiated at once, and only one layer's activations
 * stand in memory. Loss of a layer: 1000 times the mean squared error of the head outputs before
 * the output projection; reported: the mean over the linearized layers.
 *
 * <p>Memory: the model, one layer's activations O(B T (H F + H W + M)), the trained state.
 *
 * @see <a href="https://arxiv.org/abs/2410.10254">LoLCATs, section 3.2 and equation 6</a>
 */
public final class AttentionTransfer implements Objective, AutoCloseable {
    /** Factor of the mean squared error, LoLCATs' {@code mse_factor}. */
    public static final double LOSS_SCALE = 1000;

    private final DecoderModel model;
    private final TorchScript script;
    private final int fromLayer;
    private final int toLayer;

    /**
     * @param model a student; its linear layers' new parameters are trained
     */
    public AttentionTransfer(DecoderModel model) {
        this(model, 0, model.layers().size());
    }

    /**
     * Trains a range of layers to the same steps as training all would: the teacher's layers below
     * just run, those above do not.
     *
     * @param model a student
     * @param fromLayer first layer of the range
     * @param toLayer layer after the last of the range
     * @throws IllegalArgumentException if the range is empty or not inside of the model
     */
    public AttentionTransfer(DecoderModel model, int fromLayer, int toLayer) {
        if (fromLayer < 0 || fromLayer >= toLayer || toLayer > model.layers().size()) {
            throw new IllegalArgumentException(
                    ("layers "
                                    + fromLayer
                                    + " to "
                                    + toLayer
                                    + ": expected a range inside of 0 to ")
                            + model.layers().size());
        }
        this.model = model;
        this.fromLayer = fromLayer;
        this.toLayer = toLayer;
        this.script = Scripts.training(LOSS_SCALE);
    }

    @Override
    public String stage() {
        return "attention_transfer";
    }

    @Override
    public List<ParameterGroup> groups() {
        List<ParameterGroup> groups = new ArrayList<>();
        for (int i = fromLayer; i < toLayer; i++) {
            Map<String, NDArray> parameters = model.layers().get(i).parameters();
            if (!parameters.isEmpty()) {
                Map<String, NDArray> group = new LinkedHashMap<>();
                String prefix = model.config().architecture().attentionPrefix(i);
                parameters.forEach((name, parameter) -> group.put(prefix + name, parameter));
                groups.add(new ParameterGroup(group(i), group));
            }
        }
        return groups;
    }

    /** Name of a layer's parameter group and of its part of the losses. */
    private static String group(int layer) {
        return "layers." + layer;
    }

    @Override
    public boolean needsLossScaling() {
        return model.dtype() == DType.F16;
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
     * What a batch gave.
     *
     * @param losses mean over the linearized layers of the range, 0 if it has none; a part a layer
     * @param hidden the teacher's residual stream after the range, before any norm, [B, T, M]
     */
    record Pass(Losses losses, NDArray hidden) {}

    /**
     * @param batch the manager of its ids owns the result
     * @param training where training stands; absent: no gradients are computed
     */
    Pass pass(TrainingBatch batch, Optional<StepContext> training) {
        List<Losses.Part> parts = new ArrayList<>();
        NDManager scope = batch.ids().getManager();
        DecoderLayer.Places places = model.places(batch.tokens());
        NDArray hidden = model.embed(batch.ids());
        for (int i = 0; i < toLayer; i++) {
            DecoderLayer layer = model.layers().get(i);
            try (NDManager step = scope.newSubManager()) {
                hidden.attach(step);
                DecoderLayer.Projected in = layer.project(hidden);
                NDArray target = layer.softmax(in, places);
                if (i >= fromLayer && layer.attention().isPresent()) {
                    parts.add(layerLoss(i, in, places, target, training));
                }
                hidden = layer.finish(hidden, target);
                hidden.attach(scope);
            }
        }
        double total = parts.stream().mapToDouble(Losses.Part::loss).average().orElse(0);
        return new Pass(new Losses(total, parts), hidden);
    }

    private Losses.Part layerLoss(
            int index,
            DecoderLayer.Projected in,
            DecoderLayer.Places places,
            NDArray target,
            Optional<StepContext> training) {
        DecoderLayer layer = model.layers().get(index);
        boolean learns =
                training.isPresent()
                        && !layer.parameters().isEmpty()
                        && !training.get().stopped().contains(group(index));
        NDList losses;
        if (learns) {
            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                losses = losses(layer.linear(in, places), target);
                collector.backward(scaled(losses.get(0), training.get()));
            }
        } else {
            losses = losses(layer.linear(in, places), target);
        }
        return new Losses.Part(group(index), losses.get(0).getFloat(), losses.get(1).getFloat());
    }

    private static NDArray scaled(NDArray loss, StepContext context) {
        return context.lossScale() == 1 ? loss : Numbers.times(loss, context.lossScale());
    }

    private NDList losses(NDArray student, NDArray target) {
        return script.call("transfer_loss", new TorchScript.Arguments().add(student).add(target));
    }

    @Override
    public void close() {
        script.close();
    }
}
