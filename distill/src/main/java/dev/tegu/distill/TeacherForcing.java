package dev.tegu.distill;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.engine.Numbers;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
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

    /**
     * What a batch gave.
     *
     * @param losses mean over the layers, 0 if there are none; a part a layer
     * @param hidden the teacher's residual stream after the highest of the layers, before any norm,
     *     [B, T, M]
     */
    record Pass(Losses losses, NDArray hidden) {}

    /**
     * @param layers numbers of linearized layers
     * @param trains which of their new parameters are trained
     */
    TeacherForcing(DecoderModel model, SortedSet<Integer> layers, Predicate<ParameterKind> trains) {
        this.model = model;
        this.layers = layers;
        this.trains = trains;
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
        List<Losses.Part> parts = new ArrayList<>();
        NDArray hidden =
                walk(
                        tokens,
                        visit -> {
                            String name = group(visit.number());
                            if (learning.contains(name)) {
                                parts.add(backward(name, visit, training.orElseThrow(), loss));
                            } else if (layers.contains(visit.number())) {
                                parts.add(part(name, loss.of(visit)));
                            }
                        });
        double total = parts.stream().mapToDouble(Losses.Part::loss).average().orElse(0);
        return new Pass(new Losses(total, parts), hidden);
    }

    private static Losses.Part backward(
            String name, Visit visit, StepContext context, LayerLoss loss) {
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDList losses = loss.of(visit);
            NDArray scaled =
                    context.lossScale() == 1
                            ? losses.get(0)
                            : Numbers.times(losses.get(0), context.lossScale());
            collector.backward(scaled);
            return part(name, losses);
        }
    }

    private static Losses.Part part(String name, NDList losses) {
        return new Losses.Part(name, losses.get(0).getFloat(), losses.get(1).getFloat());
    }

    /**
     * Goes through the teacher as far as the highest of the layers; returns the residual stream.
     */
    private NDArray walk(TokenBatch tokens, Consumer<Visit> visitor) {
        NDManager scope = tokens.ids().getManager();
        DecoderLayer.Places places = model.places(tokens);
        NDArray hidden = model.embed(tokens.ids());
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
     * @param script of {@link Scripts#transfer}
     * @return {@code layers.N} or {@code embed_tokens}, empty if there is none
     */
    Optional<String> firstNonFinite(TokenBatch tokens, LayerLoss loss, TorchScript script) {
        List<String> found = new ArrayList<>();
        NDArray last =
                walk(
                        tokens,
                        visit -> {
                            int number = visit.number();
                            if (!isFinite(visit.hidden(), script)) {
                                found.add(number == 0 ? "embed_tokens" : group(number - 1));
                            }
                            if (!isFinite(visit.target(), script)
                                    || layers.contains(number)
                                            && !isFinite(loss.of(visit).get(0), script)) {
                                found.add(group(number));
                            }
                        });
        if (!layers.isEmpty() && !isFinite(last, script)) {
            found.add(group(layers.last()));
        }
        return found.stream().findFirst();
    }

    private static boolean isFinite(NDArray x, TorchScript script) {
        return script.call("finite", new TorchScript.Arguments().add(x)).get(0).getFloat() == 1;
    }
}
