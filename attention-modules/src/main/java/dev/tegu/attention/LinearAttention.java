package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import dev.tegu.engine.Numbers;
import dev.tegu.engine.TorchScript;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The attention layer in its two fast forms, each one TorchScript call.
 *
 * <p>{@link #chunked} serves training and prefill: time and memory O(T (W + C + F)) a head for T
 * new tokens, a window W, chunks of C and features F. {@link #step} serves decoding: O(W + F) a
 * token. Both continue from a state, in any mixture, with the same results as one pass. Output in
 * the inputs' type. Computed in float32 (float64 when the inputs are), but for one thing: on a GPU
 * {@link #chunked} rounds the operands of matrix products to half precision where the queries are
 * of half precision; states, gates' sums, normalizers and what softmax does inside stay float32.
 * {@link ReferenceAttention} is the slow form that both are tested against.
 */
public final class LinearAttention implements AutoCloseable {
    /** Rows of a chunk of the linear branch; results do not depend on it. */
    public static final int DEFAULT_CHUNK_SIZE = 64;

    /** Tokens that are computed at once; results do not depend on it. */
    private static final int SEGMENT = 2048;

    /** Methods that the layer's script has and others may need. */
    public static final String GRADIENTS = "/dev/tegu/engine/gradients.py";

    private static final List<String> SCRIPTS =
            List.of(
                    "layer.py",
                    "feature_maps.py",
                    "gates.py",
                    "rows.py",
                    "window.py",
                    "linear.py",
                    "step.py",
                    "mixing.py",
                    "fused.py",
                    GRADIENTS);

    /** A part of the layer that an ablation can take away. */
    public enum Branch {
        /** Softmax over the last tokens. */
        WINDOW,
        /** The sum with constant state. */
        LINEAR
    }

    private final AttentionSpec spec;
    private final AttentionShape shape;
    private final Set<Branch> ablated;
    private final TorchScript script;

    /**
     * Compiles the layer's script for one spec.
     *
     * @param chunkSize rows of a chunk, at least 1
     */
    public LinearAttention(AttentionSpec spec, AttentionShape shape, int chunkSize) {
        this(spec, shape, chunkSize, Set.of());
    }

    /**
     * A layer without some of its branches: they add nothing to numerator and denominator, and all
     * else, states and parameters too, stays as it is. It tells what a branch carries in a trained
     * layer.
     *
     * @param ablated branches to take away; one that the layer does not have changes nothing, and
     *     without any branch the output is zero
     */
    public LinearAttention(
            AttentionSpec spec, AttentionShape shape, int chunkSize, Set<Branch> ablated) {
        this(spec, shape, chunkSize, SEGMENT, false, ablated, Methods.NONE);
    }

    /**
     * A layer whose script also holds a model's methods, which may call the layer's: so that one
     * call can compute what stands around the attention, too.
     */
    public LinearAttention(
            AttentionSpec spec, AttentionShape shape, Set<Branch> ablated, Methods more) {
        this(spec, shape, DEFAULT_CHUNK_SIZE, SEGMENT, false, ablated, more);
    }

    /**
     * Methods beside the layer's own, with other names than those.
     *
     * @param resources absolute names of text resources
     * @param constants fields of {@code self} that they read; one that the layer has, too, has the
     *     same value
     */
    public record Methods(List<String> resources, Map<String, Object> constants) {
        static final Methods NONE = new Methods(List.of(), Map.of());
    }

    /**
     * A layer that takes its text in segments of the given length.
     *
     * @param halfOnCpu whether it takes matrix products of half-precision inputs in half precision
     *     on a CPU too, as on a card
     */
    LinearAttention(
            AttentionSpec spec,
            AttentionShape shape,
            int chunkSize,
            int segment,
            boolean halfOnCpu,
            Set<Branch> ablated) {
        this(spec, shape, chunkSize, segment, halfOnCpu, ablated, Methods.NONE);
    }

    private LinearAttention(
            AttentionSpec spec,
            AttentionShape shape,
            int chunkSize,
            int segment,
            boolean halfOnCpu,
            Set<Branch> ablated,
            Methods more) {
        spec.check(shape);
        this.spec = spec;
        this.shape = shape;
        this.ablated = Set.copyOf(ablated);
        List<String> resources = new ArrayList<>(SCRIPTS);
        resources.addAll(more.resources());
        Map<String, Object> constants = new HashMap<>(more.constants());
        constants.putAll(constants(chunkSize, segment, halfOnCpu));
        this.script = TorchScript.load(LinearAttention.class, resources, constants);
    }

    private Map<String, Object> constants(int chunkSize, int segment, boolean halfOnCpu) {
        boolean outside = spec.isOutsideWindow();
        int window = spec.window().size();
        Map<String, Object> c = new HashMap<>();
        c.put("num_heads", (long) shape.numHeads());
        FeatureMapSpec map = spec.featureMap();
        c.put("feature_map", name(map.kind()));
        c.put("feature_width", (long) map.featureWidth(shape.headDim()));
        c.put("feature_skip", map.skip());
        c.put("feature_tied", map.tied());
        c.put("linear", spec.isLinear());
        c.put("linear_rope", spec.linearRope());
        c.put("linear_scale", spec.linearScale());
        c.put("outside_window", outside);
        c.put("keeps_linear_keys", outside && spec.linearRope() != spec.window().rope());
        c.put("gated", spec.isGated());
        c.put("gate", name(spec.gate().kind()));
        c.put("gate_vector", spec.gate().isVector());
        c.put("gate_divisor", spec.gate().divisorValue());
        c.put("gate_heads", (long) spec.gate().gateHeads(shape.numHeads()));
        c.put("keeps_gates", outside && spec.isGated());
        c.put("absorb", spec.gate().absorb());
        boolean terrace = spec.window().shape() == WindowSpec.Shape.TERRACE;
        c.put("window_size", (long) window);
        c.put("window_rope", spec.window().rope());
        c.put("reach", (long) spec.window().reach());
        c.put("terrace", terrace);
        c.put("anchor", name(spec.window().anchor()));
        c.put("keep_first", (long) spec.window().keepFirst());
        c.put("banded", outside && terrace);
        // Blocks as wide as the window waste least; very small ones cost more calls than they save,
        // but the band of terraces needs blocks no longer than the window.
        c.put("window_block", (long) Math.max(terrace ? 1 : 16, Math.min(64, window)));
        c.put("combine_kind", name(spec.combine().kind()));
        c.put("affine", spec.combine().affine());
        c.put("normalize", spec.normalize());
        c.put("chunk_size", (long) chunkSize);
        c.put("segment", (long) segment);
        c.put("half_on_cpu", halfOnCpu);
        c.put("rounds", mayRound(spec));
        c.put("whole_text", spec.window().anchor() != WindowSpec.Anchor.START);
        c.put("ablate_window", ablated.contains(Branch.WINDOW));
        c.put("ablate_linear", ablated.contains(Branch.LINEAR));
        return c;
    }

    /**
     * Whether products may have operands of half precision: not exponentials of gates, and not
     * features that can all be next to nothing at once, whose sums are divided by. Those of a
     * softmax sum to 1, and the first of Taylor's is 1.
     */
    private static boolean mayRound(AttentionSpec spec) {
        boolean terrace = spec.window().shape() == WindowSpec.Shape.TERRACE;
        if (!spec.isLinear()) {
            return true;
        }
        if (spec.gate().isVector()
                || spec.gate().absorb()
                || spec.isGated() && spec.isOutsideWindow() && terrace) {
            return false;
        }
        return switch (spec.featureMap().kind()) {
            case HEDGEHOG, HEDGEHOG_JOINT, HEAD_SOFTMAX, TAYLOR -> true;
            case IDENTITY, ELU, HEDGEHOG_EXP, T2R -> false;
        };
    }

    private static String name(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }

    /** The switches of this layer. */
    public AttentionSpec spec() {
        return spec;
    }

    /** What the layer's scripts read of it, for another script that is made of some of them. */
    public Map<String, Object> scriptConstants() {
        return constants(DEFAULT_CHUNK_SIZE, SEGMENT, false);
    }

    /** The sizes of this layer. */
    public AttentionShape shape() {
        return shape;
    }

    /**
     * One call's result.
     *
     * @param output [B, H, T, D]
     * @param state after the tokens, owned like {@code output} by the manager of the queries
     */
    public record Result(NDArray output, AttentionState state) {}

    /**
     * The state before the first token.
     *
     * @param q queries of the coming call, for batch size, type, device and manager
     */
    public AttentionState emptyState(NDArray q, NDArray k, NDArray v) {
        return new AttentionState(
                script.call("empty_state", new TorchScript.Arguments().add(q).add(k).add(v)));
    }

    /**
     * Runs any number of tokens.
     *
     * @param q queries before RoPE, [B, H, T, D]
     * @param k keys before RoPE, [B, K, T, D]
     * @param v values, [B, K, T, D]
     * @param inputs the layer's parameters by checkpoint name; {@code cos} and {@code sin} [T, D]
     *     or [B, T, D] of the tokens' positions (absent: nothing is rotated); for a gate the layer
     *     input {@code x} [B, T, M], for constant gates {@code gate.log_decay} [H], or for any gate
     *     {@code g}, its logarithm [B, S, T] or [B, S, T, F] itself; {@code mask} [B, T], 0 where a
     *     token is padding: it is not seen, changes no state, and gets an output of 0, wherever in
     *     its row it stands; {@code document} [B, T] int64: where it changes, a new text begins
     *     that sees nothing of the one before. With {@link WindowSpec.Anchor#END} the text is what
     *     is given in this call. {@code no_window} and {@code no_linear}, of any value, take that
     *     branch away for this call, as an ablated layer goes without it
     * @param state before the tokens
     */
    public Result chunked(
            NDArray q, NDArray k, NDArray v, Map<String, NDArray> inputs, AttentionState state) {
        return run("chunked", q, k, v, inputs, state);
    }

    /** Runs one token; arguments as for {@link #chunked} with T = 1, without mask and documents. */
    public Result step(
            NDArray q, NDArray k, NDArray v, Map<String, NDArray> inputs, AttentionState state) {
        return run("step", q, k, v, inputs, state);
    }

    /**
     * Rows of the layer's mixing matrix over whole texts: what {@link #chunked} from the empty
     * state makes of values is this matrix times them. A norm behind the heads ({@link
     * AttentionSpec#outputNorm}) is no matrix: there the rows are those before it, and the norm's
     * weight has no part in them.
     *
     * <p>For n queries time O(n T F) and memory O(n T + T F) a head; a gate for each feature adds
     * O(n F (T / 32 + 32)) numbers.
     *
     * @param q queries before RoPE, [B, H, T, D]
     * @param k keys before RoPE, [B, K, T, D]
     * @param inputs as for {@link #chunked}
     * @param index which queries, [n] int64, each from 0 to T - 1; where one comes twice, gradients
     *     on a GPU are summed in no fixed order
     * @return float32 (float64 when the inputs are) [B, H, n, T], owned by the manager of the
     *     queries; 0 after the query, in other documents, and at padding
     */
    public NDArray mixing(NDArray q, NDArray k, Map<String, NDArray> inputs, NDArray index) {
        return script.call(
                        "mixing",
                        new TorchScript.Arguments()
                                .add(q)
                                .add(k)
                                .add("p", orDummy(inputs, q))
                                .add(index))
                .get(0);
    }

    /**
     * Which tokens the window shows some queries of whole texts, the kept first ones too.
     *
     * @param q queries before RoPE, [B, H, T, D], for their sizes alone
     * @param inputs as for {@link #chunked}; only {@code mask} and {@code document} matter
     * @param index which queries, [n] int64, each from 0 to T - 1
     * @return float32 [B, n, T], 1 where it does, else 0; owned by the manager of the queries
     */
    public NDArray inWindow(NDArray q, Map<String, NDArray> inputs, NDArray index) {
        return script.call(
                        "in_window",
                        new TorchScript.Arguments().add(q).add("p", orDummy(inputs, q)).add(index))
                .get(0);
    }

    /** Whether a branch was taken away. */
    public boolean isAblated() {
        return !ablated.isEmpty();
    }

    /** The script, which lives as long as the layer. */
    public TorchScript script() {
        return script;
    }

    /** A script's dictionary cannot be empty; a layer without parameters gets a dummy. */
    static Map<String, NDArray> orDummy(Map<String, NDArray> inputs, NDArray q) {
        return inputs.isEmpty() ? Map.of("none", Numbers.onCpu(q.getManager(), 0f)) : inputs;
    }

    private Result run(
            String form,
            NDArray q,
            NDArray k,
            NDArray v,
            Map<String, NDArray> inputs,
            AttentionState state) {
        NDList out =
                script.call(
                        form,
                        new TorchScript.Arguments()
                                .add(q)
                                .add(k)
                                .add(v)
                                .add("p", orDummy(inputs, q))
                                .add("s", state.tensors()));
        return new Result(out.get(0), new AttentionState(out.subList(1, out.size())));
    }

    @Override
    public void close() {
        script.close();
    }
}
