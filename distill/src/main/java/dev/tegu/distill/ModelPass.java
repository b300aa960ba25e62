package dev.tegu.distill;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.attention.FusedAttention;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.LayerTape;
import dev.tegu.model.TokenLosses;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.function.UnaryOperator;

/**
 * One batch forward and backward through a whole model. All manners add the same gradients to the
 * trained parameters, to the rounding of their sums.
 *
 * <p>Recorded, every activation is kept: memory O(L) layers. Checkpointed, the layers' inputs are,
 * O(L B T M), with the activations of one layer, and each layer is computed twice. Where there is
 * an attention outside of autograd, the layers go around it, {@link LayerTape} by tape, in both.
 *
 * @see <a href="https://arxiv.org/abs/1604.06174">Training Deep Nets with Sublinear Memory Cost</a>
 */
final class ModelPass {
    private final DecoderModel model;
    private final TokenLosses losses;

    /** The layers' attention outside of autograd, where there is such a thing. */
    private Optional<FusedAttention> attention;

    ModelPass(DecoderModel model, TokenLosses losses) {
        this.model = model;
        this.losses = losses;
        this.attention = model.fusedAttention();
    }

    /** Takes the attention outside of autograd from now on, whatever the device. */
    void split(FusedAttention other) {
        attention = Optional.of(other);
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

    /**
     * Adds the gradients of a batch to those of what is trained.
     *
     * @param checkpointing whether the way back computes each layer a second time
     * @return the means of {@link TokenLosses.Found}
     */
    NDArray gradients(Input in, boolean checkpointing) {
        if (attention.isPresent() && in.batch().tokens().isPlain()) {
            return split(in, attention.get(), checkpointing);
        }
        return checkpointing ? checkpointed(in) : recorded(in);
    }

    /** Records all layers, then goes back. */
    private NDArray recorded(Input in) {
        DecoderLayer.Places places = model.places(in.batch().tokens(), model.hasSoftmax());
        try (GradientCollector collector = collector()) {
            NDArray hidden = model.embed(in.batch().ids(), places);
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
    private NDArray checkpointed(Input in) {
        List<DecoderLayer> layers = model.layers();
        DecoderLayer.Places places = model.places(in.batch().tokens(), model.hasSoftmax());
        List<NDArray> inputs = new ArrayList<>();
        NDArray hidden = model.embed(in.batch().ids(), places);
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
        backToEmbedding(in, places, gradient);
        return found.means();
    }

    private void backToEmbedding(Input in, DecoderLayer.Places places, NDArray gradient) {
        if (model.ends().get(0).hasGradient()) {
            try (GradientCollector collector = collector()) {
                NDArray embedded = model.embed(in.batch().ids(), places);
                collector.backward(losses.inner(embedded, gradient));
            }
        }
    }

    /** Goes forward and back layer by layer, around the attention. */
    private NDArray split(Input in, FusedAttention outside, boolean checkpointing) {
        List<DecoderLayer> layers = model.layers();
        DecoderLayer.Places places = model.places(in.batch().tokens(), model.hasSoftmax());
        int first = firstTrained();
        Deque<LayerTape.Forth> way = new ArrayDeque<>();
        NDArray hidden = model.embed(in.batch().ids(), places);
        for (int i = 0; i < layers.size(); i++) {
            in.beforeLayer().accept(i);
            if (i < first) {
                NDArray next = layers.get(i).forward(hidden, places);
                hidden.close();
                hidden = next;
            } else {
                LayerTape tape = new LayerTape(layers.get(i), outside);
                way.push(tape.forward(hidden, places, !checkpointing));
                hidden = way.peek().output();
            }
        }
        TokenLosses.Found found;
        try (NDArray normed = model.normed(hidden)) {
            found = found(normed, in);
        }
        found.means().attach(in.batch().ids().getManager());
        NDArray gradient = back(hidden, h -> losses.backwardFrom(model.normed(h), found));
        for (int i = layers.size() - 1; i >= first; i--) {
            in.beforeLayer().accept(i);
            try (LayerTape.Forth forth = way.pop();
                    NDArray outer = gradient) {
                gradient = forth.back(outer);
            }
        }
        backToEmbedding(in, places, gradient);
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
