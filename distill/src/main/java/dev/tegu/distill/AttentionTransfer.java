package dev.tegu.distill;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

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
    private final double[] layerLosses;

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
        this.layerLosses = new double[model.layers().size()];
        Arrays.fill(layerLosses, Double.NaN);
    }

    @Override
    public String stage() {
        return "attention_transfer";
    }

    @Override
    public List<Map<String, NDArray>> groups() {
        List<Map<String, NDArray>> groups = new ArrayList<>();
        for (int i = fromLayer; i < toLayer; i++) {
            Map<String, NDArray> parameters = model.layers().get(i).parameters();
            if (!parameters.isEmpty()) {
                Map<String, NDArray> group = new LinkedHashMap<>();
                String prefix = model.config().architecture().attentionPrefix(i);
                parameters.forEach((name, parameter) -> group.put(prefix + name, parameter));
                groups.add(group);
            }
        }
        return groups;
    }

    /**
     * Error of each layer's outputs in the batch seen last, as a part of the outputs' mean square
     * (0: equal, 1: as far off as zero); NaN for softmax layers and those outside of the range.
     */
    public double[] relativeErrors() {
        return layerLosses.clone();
    }

    @Override
    public double backward(NDArray ids, NDArray labels) {
        return loss(ids, true);
    }

    @Override
    public double loss(NDArray ids, NDArray labels) {
        return loss(ids, false);
    }

    private double loss(NDArray ids, boolean train) {
        try (NDManager scope = ids.getManager().newSubManager()) {
            scope.tempAttachAll(ids);
            return pass(ids, train).loss();
        }
    }

    /**
     * What a batch gave.
     *
     * @param loss mean over the linearized layers of the range; 0 if it has none
     * @param hidden the teacher's residual stream after the range, before any norm, [B, T, M]
     */
    record Pass(double loss, NDArray hidden) {}

    /**
     * @param ids [B, T] int64; its manager owns the result
     * @param train whether the losses' gradients are added to the parameters'
     */
    Pass pass(NDArray ids, boolean train) {
        double sum = 0;
        int linear = 0;
        NDManager scope = ids.getManager();
        DecoderLayer.Rope rope = model.rope(scope, 0, (int) ids.getShape().get(1));
        NDArray hidden = model.embed(ids);
        for (int i = 0; i < toLayer; i++) {
            DecoderLayer layer = model.layers().get(i);
            layerLosses[i] = Double.NaN;
            try (NDManager step = scope.newSubManager()) {
                hidden.attach(step);
                DecoderLayer.Projected in = layer.project(hidden);
                NDArray target = layer.softmax(in, rope);
                if (i >= fromLayer && layer.attention().isPresent()) {
                    sum += layerLoss(layer, in, rope, target, i, train);
                    linear++;
                }
                hidden = layer.finish(hidden, target);
                hidden.attach(scope);
            }
        }
        return new Pass(sum / Math.max(1, linear), hidden);
    }

    private double layerLoss(
            DecoderLayer layer,
            DecoderLayer.Projected in,
            DecoderLayer.Rope rope,
            NDArray target,
            int index,
            boolean train) {
        NDList losses;
        if (train && !layer.parameters().isEmpty()) {
            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                losses = losses(layer.linear(in, rope), target);
                collector.backward(losses.get(0));
            }
        } else {
            losses = losses(layer.linear(in, rope), target);
        }
        layerLosses[index] = losses.get(1).getFloat();
        return losses.get(0).getFloat();
    }

    private NDList losses(NDArray student, NDArray target) {
        return script.call("transfer_loss", new TorchScript.Arguments().add(student).add(target));
    }

    @Override
    public void close() {
        script.close();
    }
}
