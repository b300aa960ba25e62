package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.tegu.attention.FusedAttention;
import dev.tegu.engine.GradMode;
import dev.tegu.engine.Gradients;
import dev.tegu.engine.TorchScript;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * One layer forward over whole texts and back, around an attention that autograd does not see.
 *
 * <p>What stands before the attention and what stands behind it are recorded apart, each from its
 * own leaves; between them {@link FusedAttention} goes forward and back. A layer whose attention
 * cannot go that way, a softmax one or one without its window, is recorded whole. Gradients of
 * trained arrays are added to theirs, as a gradient collector does.
 */
public final class LayerTape {
    private static final String INPUT = "x";
    private static final List<String> HEADS = List.of("q", "k", "v");

    private final DecoderLayer layer;
    private final TorchScript script;
    private final FusedAttention attention;

    /**
     * @param attention of the layers of the model
     */
    public LayerTape(DecoderLayer layer, FusedAttention attention) {
        this.layer = layer;
        this.script = layer.script();
        this.attention = attention;
    }

    /** Whether the attention of this layer goes outside of autograd in this batch. */
    public boolean isSplit() {
        return layer.attention().isPresent() && !layer.dropsWindow();
    }

    /**
     * A layer's way forward, to be closed after the way back.
     *
     * <p>Memory: what was recorded, O(B T (M + I)); or, where the way back computes it anew, the
     * layer's input and what the attention saved, O(B T M).
     */
    public final class Forth implements AutoCloseable {
        private final NDManager scope;
        private final DecoderLayer.Places places;
        private final NDArray hidden;

        /** The recorded parts, absent where the way back computes them anew. */
        private Optional<Parts> parts = Optional.empty();

        private Optional<FusedAttention.Attended> attended = Optional.empty();
        private NDArray output;

        private Forth(NDArray hidden, DecoderLayer.Places places) {
            this.scope = hidden.getManager().newSubManager();
            this.places = places;
            this.hidden = hidden;
        }

        /** Residual stream after the layer, [B, T, M], not recorded; this owns it. */
        public NDArray output() {
            return output;
        }

        /**
         * @param gradient of the loss in the output, [B, T, M]
         * @return that in the layer's input, owned by the input's manager
         */
        public NDArray back(NDArray gradient) {
            NDManager owner = hidden.getManager();
            try (NDManager work = owner.newSubManager()) {
                work.tempAttachAll(hidden, gradient);
                Parts all = parts.orElseGet(() -> isSplit() ? split(work) : whole(work));
                NDArray found = isSplit() ? splitBack(all, gradient) : wholeBack(all, gradient);
                found.attach(owner);
                return found;
            }
        }

        private Parts whole(NDManager owner) {
            NDList out = layer.wholeTape(hidden, places, owner);
            return new Parts(new NDList(), out);
        }

        private Parts split(NDManager owner) {
            NDList before = recorded("before_attention", owner, hidden);
            if (attended.isEmpty()) {
                attended = Optional.of(attend(projected(before), places));
                attended.get().output().attach(scope);
                new NDList(attended.get().saved()).attach(scope);
            }
            NDList after = recorded("after_attention", owner, hidden, attended.get().output());
            return new Parts(before, after);
        }

        private NDList recorded(String method, NDManager owner, NDArray... given) {
            TorchScript.Arguments arguments = new TorchScript.Arguments();
            for (NDArray array : given) {
                arguments.add(array);
            }
            arguments.add("w", layer.weights());
            NDList out = GradMode.on(() -> script.call(method, arguments));
            out.attach(owner);
            return out;
        }

        private NDArray wholeBack(Parts all, NDArray gradient) {
            NDList after = all.after();
            return tapeBack(
                            new NDList(after.get(0)),
                            new NDList(gradient),
                            new NDList(after.get(2)))
                    .get(0);
        }

        private NDArray splitBack(Parts all, NDArray gradient) {
            NDList after = all.after();
            NDList found =
                    tapeBack(
                            new NDList(after.get(0)),
                            new NDList(gradient),
                            new NDList(after.subList(2, 4)));
            DecoderLayer.Projected in = projected(all.before());
            Map<String, NDArray> slopes =
                    attendBack(in, places, attended.orElseThrow(), found.get(1), true);
            NDList outputs = new NDList(in.q(), in.k(), in.v());
            NDList given = new NDList();
            HEADS.forEach(name -> given.add(slopes.get(name)));
            if (slopes.containsKey(INPUT)) {
                outputs.add(in.input());
                given.add(slopes.get(INPUT));
            }
            NDArray first = tapeBack(outputs, given, new NDList(all.before().get(4))).get(0);
            addAll(List.of(first), List.of(found.get(0)));
            return first;
        }

        @Override
        public void close() {
            scope.close();
        }
    }

    /**
     * What was recorded.
     *
     * @param before results and leaf of what stands before the attention; of a layer that is
     *     recorded whole, empty
     * @param after of what stands behind it, or of the whole layer
     */
    private record Parts(NDList before, NDList after) {}

    /**
     * @param hidden residual stream, [B, T, M]; must stay open until the way back is done
     * @param places of plain rows
     * @param keeps whether what is recorded is kept for the way back; else that computes it anew,
     *     and what is random in the layer must be made the same by the caller
     */
    public Forth forward(NDArray hidden, DecoderLayer.Places places, boolean keeps) {
        Forth forth = new Forth(hidden, places);
        if (keeps) {
            Parts parts = isSplit() ? forth.split(forth.scope) : forth.whole(forth.scope);
            forth.parts = Optional.of(parts);
            forth.output = parts.after().get(1);
            return forth;
        }
        try (NDManager work = hidden.getManager().newSubManager()) {
            work.tempAttachAll(hidden);
            NDArray output;
            if (isSplit()) {
                DecoderLayer.Projected in = layer.project(hidden);
                FusedAttention.Attended attended = attend(in, places);
                output = layer.finish(hidden, attended.output());
                attended.output().attach(forth.scope);
                new NDList(attended.saved()).attach(forth.scope);
                forth.attended = Optional.of(attended);
            } else {
                output = layer.forward(hidden, places);
            }
            output.attach(forth.scope);
            forth.output = output;
        }
        return forth;
    }

    private static DecoderLayer.Projected projected(NDList before) {
        return new DecoderLayer.Projected(
                before.get(0), before.get(1), before.get(2), before.get(3));
    }

    /** The student's attention over whole texts; nothing is recorded. Owned by q's manager. */
    public FusedAttention.Attended attend(DecoderLayer.Projected in, DecoderLayer.Places places) {
        return attention.forward(in.q(), in.k(), in.v(), layer.attentionInputs(in, places));
    }

    /**
     * The way back of {@link #attend}; adds the gradients of the trained new parameters to theirs.
     *
     * @param gradient of the loss in the attention's output, [B, H, T, D]
     * @param ofInputs whether the gradients in q, k, v and, where the gate reads it, x are wanted
     * @return those by name; owned by the manager of {@code gradient}
     */
    public Map<String, NDArray> attendBack(
            DecoderLayer.Projected in,
            DecoderLayer.Places places,
            FusedAttention.Attended attended,
            NDArray gradient,
            boolean ofInputs) {
        Map<String, NDArray> inputs = layer.attentionInputs(in, places);
        Map<String, NDArray> trained = trained(layer.parameters());
        Set<String> wanted = new HashSet<>(trained.keySet());
        if (ofInputs) {
            wanted.addAll(HEADS);
            if (inputs.containsKey(INPUT)) {
                wanted.add(INPUT);
            }
        }
        Map<String, NDArray> found =
                new LinkedHashMap<>(
                        attention.backward(
                                in.q(), in.k(), in.v(), inputs, attended, gradient, wanted));
        if (!trained.isEmpty()) {
            try (NDManager scope = gradient.getManager().newSubManager()) {
                List<NDArray> slopes = new ArrayList<>();
                trained.keySet().forEach(name -> slopes.add(found.remove(name)));
                addAll(sums(trained.values(), scope), slopes);
                slopes.forEach(NDArray::close);
            }
        }
        return found;
    }

    private NDList tapeBack(NDList outputs, NDList given, NDList leaves) {
        List<NDArray> trained = new ArrayList<>(trained(layer.weights()).values());
        if (!isSplit()) {
            trained.addAll(trained(layer.parameters()).values());
        }
        try (NDManager scope = given.get(0).getManager().newSubManager()) {
            // a script's list cannot be empty
            List<NDArray> sums = sums(trained, scope);
            trained.add(scope.zeros(new Shape(1)));
            sums.add(scope.zeros(new Shape(1)));
            NDList found =
                    script.call(
                            "tape_back",
                            new TorchScript.Arguments()
                                    .add("outputs", outputs)
                                    .add("given", given)
                                    .add("leaves", leaves)
                                    .add("trained", trained)
                                    .add("sums", sums));
            found.attach(given.get(0).getManager());
            return found;
        }
    }

    private void addAll(List<NDArray> sums, List<NDArray> found) {
        script.call("add_all", new TorchScript.Arguments().add("sums", sums).add("found", found))
                .close();
    }

    private static Map<String, NDArray> trained(Map<String, NDArray> arrays) {
        Map<String, NDArray> trained = new LinkedHashMap<>(arrays);
        trained.values().removeIf(array -> !array.hasGradient());
        return trained;
    }

    private static List<NDArray> sums(Iterable<NDArray> trained, NDManager scope) {
        List<NDArray> sums = new ArrayList<>();
        for (NDArray array : trained) {
            sums.add(Gradients.sum(array, scope));
        }
        return sums;
    }
}
