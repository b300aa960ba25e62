package dev.tegu.distill;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TokenLosses;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.function.UnaryOperator;

/**
 * One batch forward and backward through a whole model. The two manners add the same gradients to
 * the trained parameters, to the rounding of their sums.
 *
 * <p>{@link #recorded} keeps every activation: memory O(L) layers. {@link #checkpointed} keeps the
 * layers' inputs, O(L B T M), and the activations of one layer, and computes each layer twice.
 *
 * @see <a href="https://arxiv.org/abs/1604.06174">Training Deep Nets with Sublinear Memory Cost</a>
 */
final class ModelPass {
    private final DecoderModel model;
    private final TokenLosses losses;

    ModelPass(DecoderModel model, TokenLosses losses) {
        this.model = model;
        this.losses = losses;
    }

    /**
     * What a pass reads.
     *
     * @param batch the manager of its ids owns the results and all between
     * @param teacher the teacher's normed hidden states, [B, T, M], where the loss asks for them
     * @param beforeLayer called with a layer's number before it is computed, each time: what is
     *     random in a layer must be the same whenever that is
     * @param lossScale what the loss is multiplied by
     */
    record Input(
            TrainingBatch batch,
            Optional<NDArray> teacher,
            IntConsumer beforeLayer,
            float lossScale) {}

    /** Records all layers, then goes back. Returns the means of {@link TokenLosses.Found}. */
    NDArray recorded(Input in) {
        DecoderLayer.Places places = model.places(in.batch().tokens(), model.hasSoftmax());
        try (GradientCollector collector = collector()) {
            NDArray hidden = model.embed(in.batch().ids());
            for (int i = 0; i < model.layers().size(); i++) {
                in.beforeLayer().accept(i);
                NDArray next = model.layers().get(i).forward(hidden, places);
                hidden.close();
                hidden = next;
            }
            NDArray normed = model.normed(hidden);
            TokenLosses.Found found = found(normed, in);
            collector.backward(losses.backwardFrom(normed, found));
            return found.means();
        }
    }

    /** Goes forward without recording, then back layer by layer, recording each anew. */
    NDArray checkpointed(Input in) {
        List<DecoderLayer> layers = model.layers();
        DecoderLayer.Places places = model.places(in.batch().tokens(), model.hasSoftmax());
        List<NDArray> inputs = new ArrayList<>();
        NDArray hidden = model.embed(in.batch().ids());
        for (int i = 0; i < layers.size(); i++) {
            inputs.add(hidden);
            in.beforeLayer().accept(i);
            hidden = layers.get(i).forward(hidden, places);
        }
        TokenLosses.Found found;
        try (NDArray normed = model.normed(hidden)) {
            found = found(normed, in);
        }
        NDArray gradient = back(hidden, h -> losses.backwardFrom(model.normed(h), found));
        int first = firstTrained();
        for (int i = layers.size() - 1; i >= first; i--) {
            DecoderLayer layer = layers.get(i);
            in.beforeLayer().accept(i);
            NDArray outer = gradient;
            gradient = back(inputs.get(i), h -> losses.inner(layer.forward(h, places), outer));
            outer.close();
            inputs.get(i).close();
        }
        if (model.ends().get(0).hasGradient()) {
            try (GradientCollector collector = collector()) {
                NDArray embedded = model.embed(in.batch().ids());
                collector.backward(losses.inner(embedded, gradient));
            }
        }
        return found.means();
    }

    /** The lowest layer that the gradient must come to; all of them where the embedding learns. */
    private int firstTrained() {
        List<DecoderLayer> layers = model.layers();
        int first = 0;
        if (!model.ends().get(0).hasGradient()) {
            while (first < layers.size() && !layers.get(first).isTrained()) {
                first++;
            }
        }
        return first;
    }

    private TokenLosses.Found found(NDArray normed, Input in) {
        return losses.gradients(normed, in.batch().labels(), in.teacher(), in.lossScale());
    }

    /**
     * The gradient of a number in what it is computed from; that of parameters is added to theirs.
     */
    private static NDArray back(NDArray x, UnaryOperator<NDArray> number) {
        x.setRequiresGradient(true);
        try (NDManager scope = NDManager.subManagerOf(x);
                GradientCollector collector = collector()) {
            scope.tempAttachAll(x);
            collector.backward(number.apply(x));
        }
        return x.getGradient();
    }

    private static GradientCollector collector() {
        return Engine.getEngine("PyTorch").newGradientCollector();
    }
}
