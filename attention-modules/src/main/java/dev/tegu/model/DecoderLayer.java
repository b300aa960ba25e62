package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.AttentionState;
import dev.tegu.attention.LinearAttention;
import dev.tegu.engine.GradMode;
import dev.tegu.engine.Numbers;
import dev.tegu.engine.TorchScript;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * One layer: the frozen weights, which teacher and student share, and the student's attention.
 *
 * <p>One script call: {@link #forward(NDArray, Places)}. Who needs what is on the way takes three:
 * {@link #project} before the attention, one attention, {@link #finish} after.
 */
public final class DecoderLayer {
    private final TorchScript script;
    private final Map<String, NDArray> frozen;
    private final Map<String, NDArray> weights;
    private final Map<String, NDArray> parameters;
    private final Map<String, NDArray> constants;
    private final Optional<LinearAttention> attention;
    private boolean dropsWindow;

    DecoderLayer(
            TorchScript script,
            Map<String, NDArray> weights,
            Map<String, NDArray> parameters,
            Map<String, NDArray> constants,
            Optional<LinearAttention> attention) {
        this.script = script;
        this.frozen = Collections.unmodifiableMap(new LinkedHashMap<>(weights));
        this.weights = new LinkedHashMap<>(weights);
        this.parameters = new LinkedHashMap<>(parameters);
        this.constants = new LinkedHashMap<>(constants);
        this.attention = attention;
    }

    /**
     * What enters the attention.
     *
     * @param input normed layer input, [B, T, M]
     * @param q queries before RoPE, [B, H, T, D]
     * @param k keys before RoPE, [B, K, T, D]
     * @param v values, [B, K, T, D]
     */
    public record Projected(NDArray input, NDArray q, NDArray k, NDArray v) {}

    /**
     * Positions of the tokens at hand.
     *
     * @param cos [T, D], or [B, T, D] where rows differ
     * @param sin likewise
     */
    public record Rope(NDArray cos, NDArray sin) {}

    /**
     * Where the tokens at hand stand, the same for every layer; see {@link DecoderModel#places}.
     *
     * @param rope their positions
     * @param mask [B, T], 0 where a token is padding; absent: none is
     * @param documents [B, T] int64; absent: each row continues its text
     * @param visible which tokens, P earlier ones in front, each one sees in a softmax layer, [B,
     *     1, T, P + T] boolean; absent: all up to itself
     */
    public record Places(
            Rope rope,
            Optional<NDArray> mask,
            Optional<NDArray> documents,
            Optional<NDArray> visible) {
        /** Whether each row is one text without padding. */
        public boolean isPlain() {
            return mask.isEmpty() && documents.isEmpty();
        }

        /** Of rows that are equally long texts without padding. */
        public static Places of(Rope rope) {
            return new Places(rope, Optional.empty(), Optional.empty(), Optional.empty());
        }
    }

    /** The frozen weights by role: {@code q_proj.weight}, {@code input_layernorm}, ... */
    public Map<String, NDArray> weights() {
        return Collections.unmodifiableMap(weights);
    }

    /** The student's new parameters by checkpoint name; empty for softmax layers. */
    public Map<String, NDArray> parameters() {
        return Collections.unmodifiableMap(parameters);
    }

    /** The student's attention, absent where softmax stays. */
    public Optional<LinearAttention> attention() {
        return attention;
    }

    /**
     * Puts a low-rank adapter beside a linear map: y = Wx + scale B A x.
     *
     * @param role {@code q_proj}, ...
     * @param a [r, in] float32
     * @param b [out, r] float32
     * @param scale [] float32, the same for all adapters of the layer
     */
    public void attachAdapter(String role, NDArray a, NDArray b, NDArray scale) {
        weights.put(role + ".lora_A", a);
        weights.put(role + ".lora_B", b);
        weights.put("lora_scale", scale);
    }

    /**
     * Drops part of the adapters' inputs from now on, as PEFT does while training.
     *
     * @param probability [1], on the CPU
     */
    public void dropAdapterInputs(NDArray probability) {
        weights.put("lora_dropout", probability);
    }

    /** Ends {@link #dropAdapterInputs}. */
    public void keepAdapterInputs() {
        weights.remove("lora_dropout");
    }

    /** Whether autograd follows a weight, adapter or new parameter of this layer. */
    public boolean isTrained() {
        return Stream.concat(weights.values().stream(), parameters.values().stream())
                .anyMatch(NDArray::hasGradient);
    }

    /**
     * Takes the window's branch out of the student's attention over whole sequences from now on:
     * what {@link LinearAttention} gives without {@link LinearAttention.Branch#WINDOW}.
     *
     * @throws IllegalStateException if the attention has no window, or nothing beside it
     */
    public void dropWindow() {
        if (attention.isEmpty() || !attention.get().spec().hasBothBranches()) {
            throw new IllegalStateException(
                    "a window can be dropped where a linear branch stands beside it only");
        }
        dropsWindow = true;
    }

    /** Whether the window is out, see {@link #dropWindow}. */
    public boolean dropsWindow() {
        return dropsWindow;
    }

    /** Ends {@link #dropWindow}. */
    public void keepWindow() {
        dropsWindow = false;
    }

    /**
     * @param hidden residual stream, [B, T, M]
     */
    public Projected project(NDArray hidden) {
        NDList out =
                script.call(
                        "projections", new TorchScript.Arguments().add(hidden).add("w", weights));
        return new Projected(out.get(0), out.get(1), out.get(2), out.get(3));
    }

    /**
     * @param hidden residual stream before the layer, [B, T, M]
     * @param attended the heads' outputs, [B, H, T, D]
     * @return residual stream after the layer
     */
    public NDArray finish(NDArray hidden, NDArray attended) {
        return script.call(
                        "finish",
                        new TorchScript.Arguments().add(hidden).add(attended).add("w", weights))
                .get(0);
    }

    /**
     * The teacher's attention over whole sequences: causal softmax with RoPE, among tokens that may
     * be padding or of different texts; padding gets 0.
     */
    public NDArray softmax(Projected in, Places places) {
        return script.call(
                        "softmax_whole",
                        new TorchScript.Arguments()
                                .add(in.q())
                                .add(in.k())
                                .add(in.v())
                                .add("p", softmaxInputs(places)))
                .get(0);
    }

    /** No tokens of the shape and type of some: [B, K, T, D] to [B, K, 0, D]. */
    NDArray nothing(NDArray tokens) {
        return script.call("nothing", new TorchScript.Arguments().add(tokens)).get(0);
    }

    /** The student's attention over one whole sequence. */
    public NDArray linear(Projected in, Rope rope) {
        return linear(in, Places.of(rope));
    }

    /** The same among tokens that may be padding or of different texts; padding gets 0. */
    public NDArray linear(Projected in, Places places) {
        return prefill(in, places).output();
    }

    /**
     * Rows of the student's mixing matrix over whole sequences, without the window where it is
     * dropped; see {@link LinearAttention#mixing}.
     *
     * @param index which queries, [n] int64
     * @return [B, H, n, T]
     */
    public NDArray linearRows(Projected in, Places places, NDArray index) {
        return attention.orElseThrow().mixing(in.q(), in.k(), droppingInputs(in, places), index);
    }

    /**
     * Which tokens the window of the student's attention shows some queries; see {@link
     * LinearAttention#inWindow}.
     *
     * @param index which queries, [n] int64
     * @return float32 [B, n, T], 1 or 0
     */
    public NDArray inWindow(Projected in, Places places, NDArray index) {
        return attention.orElseThrow().inWindow(in.q(), inputs(places), index);
    }

    /**
     * Rows of the teacher's mixing matrix: its attention weights.
     *
     * @param index which queries, [n] int64
     * @return float32 [B, H, n, T]; padding has a row of zeros
     */
    public NDArray softmaxRows(Projected in, Places places, NDArray index) {
        return script.call(
                        "softmax_rows",
                        new TorchScript.Arguments()
                                .add(in.q())
                                .add(in.k())
                                .add("p", softmaxInputs(places))
                                .add(index))
                .get(0);
    }

    /** What softmax attention reads beside q, k and v. */
    static Map<String, NDArray> softmaxInputs(Places places) {
        Map<String, NDArray> given = new LinkedHashMap<>();
        given.put("cos", places.rope().cos());
        given.put("sin", places.rope().sin());
        places.visible().ifPresent(visible -> given.put("visible", visible));
        places.mask().ifPresent(mask -> given.put("mask", mask));
        return given;
    }

    /**
     * The student's attention over a text's first tokens, one of them too: blocks anchored at the
     * end are a matter of what is given at once, not of how much.
     */
    LinearAttention.Result prefill(Projected in, Places places) {
        LinearAttention layer = attention.orElseThrow();
        AttentionState empty = layer.emptyState(in.q(), in.k(), in.v());
        return layer.chunked(in.q(), in.k(), in.v(), droppingInputs(in, places), empty);
    }

    private Map<String, NDArray> droppingInputs(Projected in, Places places) {
        Map<String, NDArray> inputs = textInputs(places, in.q().getManager(), Set.of());
        putInput(in, inputs);
        return inputs;
    }

    /** What the attention reads beside q, k, v and x of whole texts. */
    private Map<String, NDArray> textInputs(
            Places places, NDManager owner, Set<LinearAttention.Branch> without) {
        Map<String, NDArray> inputs = inputs(places);
        if (dropsWindow || without.contains(LinearAttention.Branch.WINDOW)) {
            inputs.put("no_window", Numbers.onCpu(owner, 0f));
        }
        if (without.contains(LinearAttention.Branch.LINEAR)) {
            inputs.put("no_linear", Numbers.onCpu(owner, 0f));
        }
        return inputs;
    }

    /** The student's attention, continuing from a state; one real token takes the step form. */
    LinearAttention.Result linear(Projected in, Places places, AttentionState state) {
        LinearAttention layer = attention.orElseThrow();
        Map<String, NDArray> inputs = attentionInputs(in, places);
        boolean isStep = in.q().getShape().get(2) == 1 && places.isPlain();
        return isStep
                ? layer.step(in.q(), in.k(), in.v(), inputs, state)
                : layer.chunked(in.q(), in.k(), in.v(), inputs, state);
    }

    /** What the attention reads beside q, k and v of whole texts, the window never dropped. */
    Map<String, NDArray> attentionInputs(Projected in, Places places) {
        Map<String, NDArray> inputs = inputs(places);
        putInput(in, inputs);
        return inputs;
    }

    /**
     * The whole layer recorded from a leaf of its own: residual stream after it, once more without
     * what was recorded, the leaf.
     */
    NDList wholeTape(NDArray hidden, Places places, NDManager owner) {
        TorchScript.Arguments arguments = layerArguments(hidden, places, owner, Set.of());
        String method = attention.isPresent() ? "linear_tape" : "softmax_tape";
        NDList out = GradMode.on(() -> script.call(method, arguments));
        out.attach(owner);
        return out;
    }

    private TorchScript.Arguments layerArguments(
            NDArray hidden, Places places, NDManager owner, Set<LinearAttention.Branch> without) {
        return new TorchScript.Arguments()
                .add(hidden)
                .add("w", weights)
                .add(
                        "p",
                        attention.isPresent()
                                ? textInputs(places, owner, without)
                                : softmaxInputs(places));
    }

    TorchScript script() {
        return script;
    }

    private void putInput(Projected in, Map<String, NDArray> inputs) {
        if (attention.orElseThrow().spec().gate().readsInput()) {
            inputs.put("x", in.input());
        }
    }

    private Map<String, NDArray> inputs(Places places) {
        Map<String, NDArray> inputs = new LinkedHashMap<>(parameters);
        inputs.putAll(constants);
        inputs.put("cos", places.rope().cos());
        inputs.put("sin", places.rope().sin());
        places.mask().ifPresent(mask -> inputs.put("mask", mask));
        places.documents().ifPresent(documents -> inputs.put("document", documents));
        return inputs;
    }

    /**
     * The whole layer over one whole sequence.
     *
     * @param hidden residual stream, [B, T, M]; stays open
     * @return residual stream after the layer, owned by {@code hidden}'s manager; everything
     *     between is closed
     */
    public NDArray forward(NDArray hidden, Rope rope) {
        return forward(hidden, Places.of(rope));
    }

    /** The same over tokens that may be padding or of different texts. */
    public NDArray forward(NDArray hidden, Places places) {
        return forward(hidden, places, Set.of());
    }

    /**
     * The same without some branches of the student's attention, as {@link LinearAttention} goes
     * without those that are ablated. A softmax layer stays as it is.
     */
    public NDArray forward(NDArray hidden, Places places, Set<LinearAttention.Branch> without) {
        NDManager owner = hidden.getManager();
        try (NDManager scope = owner.newSubManager()) {
            scope.tempAttachAll(hidden);
            String method = attention.isPresent() ? "linear_layer" : "softmax_layer";
            return scope.ret(
                    script.call(method, layerArguments(hidden, places, scope, without)).get(0));
        }
    }

    /**
     * The whole layer as the teacher has it: the same frozen weights, softmax attention, no
     * adapters; arguments and result as of {@link #forward(NDArray, Places)}.
     *
     * @param places with {@link Places#visible} where padding or texts need it
     */
    public NDArray teacher(NDArray hidden, Places places) {
        return script.call("softmax_layer", teacherArguments(hidden, places)).get(0);
    }

    /**
     * The teacher's layer with what is on the way.
     *
     * @param hidden residual stream after the layer, [B, T, M]
     * @param in what enters the attention
     * @param target the attention's output, [B, H, T, D]
     */
    public record Taught(NDArray hidden, Projected in, NDArray target) {}

    /** As {@link #teacher}, with all between; owned by the manager of {@code hidden}. */
    public Taught taught(NDArray hidden, Places places) {
        NDList out = script.call("teacher_layer", teacherArguments(hidden, places));
        return new Taught(
                out.get(0),
                new Projected(out.get(1), out.get(2), out.get(3), out.get(4)),
                out.get(5));
    }

    private TorchScript.Arguments teacherArguments(NDArray hidden, Places places) {
        return new TorchScript.Arguments()
                .add(hidden)
                .add("w", frozen)
                .add("p", softmaxInputs(places));
    }
}
