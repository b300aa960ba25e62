package dev.tegu.distill;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.attention.FusedAttention;
import dev.tegu.engine.Numbers;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.LayerTape;
import dev.tegu.model.TokenBatch;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * The walk of the stages in which every layer is a problem of its own.
 *
 * <p>The teacher's attention flows on to the next layer whatever the student's gives, so the
 * residual stream is the teacher's to the bit, a layer's loss is computed and differentiated at
 * once, and one layer's activations stand in memory. Layers that are not trained just run; those
 * above the highest trained one do not.
 */
final class TeacherForcing {
    private final DecoderModel model;
    private final SortedSet<Integer> layers;
    private final Predicate<ParameterKind> trains;
    private final TorchScript script;

    /** The students' attention outside of autograd, where there is such a thing. */
    private Optional<FusedAttention> attention;

    /**
     * One layer on the way.
     *
     * @param hidden residual stream before it, [B, T, M]
     * @param target the teacher's head outputs, [B, H, T, D]
     */
    record Visit(
            int number,
            DecoderLayer layer,
            NDArray hidden,
            DecoderLayer.Projected in,
            DecoderLayer.Places places,
            NDArray target) {}

    /** The loss of one layer. */
    interface LayerLoss {
        /**
         * @return loss and relative error, each [] float32
         */
        NDList of(Visit visit);
    }

    /** A loss of the head outputs alone, whose gradient needs no tape. */
    interface OutputLoss extends LayerLoss {
        /**
         * @param student head outputs, [B, H, T, D]
         * @param scale what the loss is multiplied by for the gradient
         * @return loss and relative error, each [] float32, and the gradient in {@code student}
         */
        NDList slope(NDArray student, NDArray target, float scale);
    }

    /**
     * What a batch gave.
     *
     * @param losses mean over the layers, 0 if there are none; a part a layer
     * @param hidden the teacher's residual stream after the highest of the layers, before any norm,
     *     [B, T, M]
     */
    record Pass(BatchLosses losses, NDArray hidden) {}

    /**
     * @param layers numbers of linearized layers
     * @param trains which of their new parameters are trained
     * @param script of {@link Scripts#transfer}; must stay open as long
     */
    TeacherForcing(
            DecoderModel model,
            SortedSet<Integer> layers,
            Predicate<ParameterKind> trains,
            TorchScript script) {
        this.model = model;
        this.layers = layers;
        this.trains = trains;
        this.script = script;
        this.attention = model.fusedAttention();
    }

    /** Takes the attention outside of autograd from now on, whatever the device. */
    void split(FusedAttention other) {
        attention = Optional.of(other);
    }

    /** A group a layer, of those that have something to train. */
    List<ParameterGroup> groups() {
        List<ParameterGroup> groups = new ArrayList<>();
        for (int i : layers) {
            Map<String, NDArray> group = new LinkedHashMap<>();
            String prefix = model.config().architecture().attentionPrefix(i);
            model.layers()
                    .get(i)
                    .parameters()
                    .forEach(
                            (name, parameter) -> {
                                if (trains.test(ParameterKind.of(name))) {
                                    group.put(prefix + name, parameter);
                                }
                            });
            if (!group.isEmpty()) {
                groups.add(new ParameterGroup(group(i), group));
            }
        }
        return groups;
    }

    /** Name of a layer's parameter group and of its part of the losses. */
    private static String group(int layer) {
        return "layers." + layer;
    }

    /**
     * @param tokens the manager of their ids owns the result
     * @param training where training stands; absent: no gradients are computed
     */
    Pass pass(TokenBatch tokens, Optional<StepContext> training, LayerLoss loss) {
        Set<String> learning = new HashSet<>();
        if (training.isPresent()) {
            groups().forEach(group -> learning.add(group.name()));
            learning.removeAll(training.get().stopped());
        }
        NDManager owner = tokens.ids().getManager();
        List<String> names = new ArrayList<>();
        List<NDArray> found = new ArrayList<>();
        List<NDArray> relative = new ArrayList<>();
        NDArray hidden =
                walk(
                        tokens,
                        visit -> {
                            String name = group(visit.number());
                            if (layers.contains(visit.number())) {
                                NDList losses =
                                        learning.contains(name)
                                                ? backward(visit, training.orElseThrow(), loss)
                                                : loss.of(visit);
                                names.add(name);
                                losses.attach(owner);
                                found.add(losses.get(0));
                                relative.add(losses.get(1));
                            }
                        });
        return new Pass(losses(names, found, relative), hidden);
    }

    private BatchLosses losses(List<String> names, List<NDArray> found, List<NDArray> relative) {
        if (names.isEmpty()) {
            return BatchLosses.of(new Losses(0, List.of()));
        }
        NDList arrays = new NDList(stack(found), stack(relative));
        found.forEach(NDArray::close);
        relative.forEach(NDArray::close);
        return new BatchLosses(
                arrays,
                values -> {
                    List<Losses.Part> parts = new ArrayList<>();
                    for (int i = 0; i < names.size(); i++) {
                        float of = values.get(0)[i];
                        parts.add(new Losses.Part(names.get(i), of, values.get(1)[i]));
                    }
                    double total =
                            parts.stream().mapToDouble(Losses.Part::loss).average().orElse(0);
                    return new Losses(total, parts);
                });
    }

    private NDArray stack(List<NDArray> numbers) {
        return script.call("stack", new TorchScript.Arguments().add("a", numbers)).get(0);
    }

    private NDList backward(Visit visit, StepContext context, LayerLoss loss) {
        if (attention.isPresent() && loss instanceof OutputLoss outputs) {
            LayerTape tape = new LayerTape(visit.layer(), attention.get());
            if (tape.isSplit() && visit.places().isPlain()) {
                return backward(visit, context.lossScale(), outputs, tape);
            }
        }
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDList losses = loss.of(visit);
            NDArray scaled =
                    context.lossScale() == 1
                            ? losses.get(0)
                            : Numbers.times(losses.get(0), context.lossScale());
            collector.backward(scaled);
            return losses;
        }
    }

    /** The same without a tape: nothing but the attention lies below the loss. */
    private static NDList backward(Visit visit, float scale, OutputLoss loss, LayerTape tape) {
        FusedAttention.Attended attended = tape.attend(visit.in(), visit.places());
        NDList found = loss.slope(attended.output(), visit.target(), scale);
        tape.attendBack(visit.in(), visit.places(), attended, found.get(2), false);
        return new NDList(found.subList(0, 2));
    }

    /**
     * Goes through the teacher as far as the highest of the layers; returns the residual stream.
     */
    private NDArray walk(TokenBatch tokens, Consumer<Visit> visitor) {
        NDManager scope = tokens.ids().getManager();
        DecoderLayer.Places places = model.places(tokens);
        NDArray hidden = model.embed(tokens.ids(), places);
        int end = layers.isEmpty() ? 0 : layers.last() + 1;
        for (int i = 0; i < end; i++) {
            DecoderLayer layer = model.layers().get(i);
            try (NDManager step = scope.newSubManager()) {
                hidden.attach(step);
                DecoderLayer.Taught taught = layer.taught(hidden, places);
                visitor.accept(new Visit(i, layer, hidden, taught.in(), places, taught.target()));
                hidden = taught.hidden();
                hidden.attach(scope);
            }
        }
        return hidden;
    }

    /**
     * Looks for the first place that is not finite: the loss of a layer that is trained, or what
     * any layer passes on.
     *
     * @return {@code layers.N} or {@code embed_tokens}, empty if there is none
     */
    Optional<String> firstNonFinite(TokenBatch tokens, LayerLoss loss) {
        List<String> found = new ArrayList<>();
        NDArray last =
                walk(
                        tokens,
                        visit -> {
                            int number = visit.number();
                            if (!isFinite(visit.hidden())) {
                                found.add(number == 0 ? "embed_tokens" : group(number - 1));
                            }
                            if (!isFinite(visit.target())
                                    || layers.contains(number)
                                            && !isFinite(loss.of(visit).get(0))) {
                                found.add(group(number));
                            }
                        });
        if (!layers.isEmpty() && !isFinite(last)) {
            found.add(group(layers.last()));
        }
        return found.stream().findFirst();
    }

    private boolean isFinite(NDArray x) {
        return script.call("finite", new TorchScript.Arguments().add(x)).get(0).getFloat() == 1;
    }
}
