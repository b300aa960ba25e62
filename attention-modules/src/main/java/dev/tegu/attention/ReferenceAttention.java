package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The attention layer written out as its formula: T x T weights, one plain {@code NDArray}
 * operation after the other. Slow and obviously right; the fast forms are tested against it,
 * gradients too.
 *
 * <p>Time and memory O(T^2) a head.
 */
public final class ReferenceAttention {
    private final AttentionSpec spec;
    private final AttentionShape shape;

    /** A reference layer for the given switches and sizes. */
    public ReferenceAttention(AttentionSpec spec, AttentionShape shape) {
        this.spec = spec;
        this.shape = shape;
    }

    /**
     * One call's result.
     *
     * @param output [B, H, T, D]
     * @param state the linear branch's {@code kv_state} [B, H, F, D] and {@code k_sum} [B, H, F]
     *     after the last token; empty without a linear branch
     */
    public record Result(NDArray output, Map<String, NDArray> state) {}

    /**
     * Attends from an empty state; arguments as for {@link LinearAttention#chunked}, float32 or
     * float64.
     */
    public Result attend(NDArray q, NDArray k, NDArray v, Map<String, NDArray> inputs) {
        NDManager manager = q.getManager();
        int repeats = shape.numHeads() / shape.numKvHeads();
        NDArray keys = k.repeat(1, repeats);
        NDArray values = v.repeat(1, repeats);
        NDArray rotatedQ = rotate(q, inputs);
        NDArray rotatedK = rotate(keys, inputs);
        long length = q.getShape().get(2);
        NDArray position = manager.arange((int) length);
        // distance[i][j] = i - j: how many tokens before query i key j stands
        NDArray distance = position.reshape(length, 1).sub(position.reshape(1, length));
        NDArray causal = distance.gte(0);
        int window = spec.window().size();

        Branch near = null;
        if (window > 0) {
            boolean rope = spec.window().rope();
            NDArray mask = causal.logicalAnd(distance.lt(window));
            near = window(rope ? rotatedQ : q, rope ? rotatedK : keys, values, mask, inputs);
        }
        Branch far = null;
        Map<String, NDArray> state = new LinkedHashMap<>();
        if (spec.isLinear()) {
            boolean rope = spec.linearRope();
            NDArray mask = spec.isOutsideWindow() ? distance.gte(window) : causal;
            NDArray phiQ = features(rope ? rotatedQ : q, "feature_map_q", inputs);
            NDArray phiK = features(rope ? rotatedK : keys, "feature_map_k", inputs);
            NDArray weights = phiQ.matMul(phiK.transpose(0, 1, 3, 2));
            weights = weights.mul(mask.toType(weights.getDataType(), false));
            if (spec.isGated()) {
                NDArray total = logGate(inputs).cumSum(2);
                NDArray gap = total.expandDims(3).sub(total.expandDims(2));
                weights =
                        weights.mul(
                                NDArrays.where(causal.broadcast(gap.getShape()), gap, gap.mul(0))
                                        .exp());
                NDArray rest = total.get(":,:," + (length - 1) + ":").sub(total);
                phiK = phiK.mul(rest.exp().expandDims(3));
            }
            far = new Branch(weights.matMul(values), weights.sum(new int[] {3}, true));
            NDArray left = mask.get((length - 1) + ":").reshape(length, 1);
            phiK = phiK.mul(left.toType(phiK.getDataType(), false));
            state.put("kv_state", phiK.transpose(0, 1, 3, 2).matMul(values));
            state.put("k_sum", phiK.sum(new int[] {2}));
        }
        NDArray output = combine(near, far, inputs);
        return new Result(output == null ? q.mul(0) : output, state);
    }

    /** Numerator [B, H, T, D] and denominator [B, H, T, 1] of one branch. */
    private record Branch(NDArray numerator, NDArray denominator) {
        /** The branch by itself; 0 where it summed over nothing. */
        NDArray ratio() {
            NDArray none = denominator.eq(0).toType(denominator.getDataType(), false);
            return numerator.div(denominator.add(none));
        }
    }

    private Branch window(
            NDArray q, NDArray k, NDArray v, NDArray mask, Map<String, NDArray> inputs) {
        NDArray scores = q.matMul(k.transpose(0, 1, 3, 2)).mul(1 / Math.sqrt(shape.headDim()));
        NDArray hidden = scores.mul(0).add(Float.NEGATIVE_INFINITY);
        scores = NDArrays.where(mask.broadcast(scores.getShape()), scores, hidden);
        NDArray top = scores.max(new int[] {3}, true);
        NDArray sinks = inputs.get("sinks");
        if (spec.window().sinks() > 0) {
            sinks = sinks.reshape(1, shape.numHeads(), 1, spec.window().sinks());
            top = NDArrays.maximum(top, sinks.max(new int[] {3}, true));
        }
        NDArray weights = scores.sub(top).exp();
        NDArray sum = weights.sum(new int[] {3}, true);
        if (spec.window().sinks() > 0) {
            sum = sum.add(sinks.sub(top).exp().sum(new int[] {3}, true));
        }
        return new Branch(weights.matMul(v), sum);
    }

    private NDArray combine(Branch near, Branch far, Map<String, NDArray> inputs) {
        Shape perHead = new Shape(1, shape.numHeads(), 1, 1);
        return switch (spec.combine().kind()) {
            case NONE -> null;
            case SUM -> {
                NDArray sum = null;
                if (far != null) {
                    sum = spec.normalize() ? far.ratio() : far.numerator();
                }
                if (near != null) {
                    NDArray weighted = near.ratio().mul(inputs.get("alpha").reshape(perHead));
                    sum = sum == null ? weighted : sum.add(weighted);
                }
                yield sum;
            }
            case SHARED_DENOMINATOR -> {
                if (near == null || far == null) {
                    yield (near == null ? far : near).ratio();
                }
                NDArray factor = Activation.sigmoid(inputs.get("window_factor")).reshape(perHead);
                yield new Branch(
                                near.numerator().mul(factor).add(far.numerator()),
                                near.denominator().mul(factor).add(far.denominator()))
                        .ratio();
            }
        };
    }

    private NDArray features(NDArray x, String name, Map<String, NDArray> inputs) {
        if (spec.featureMap().kind() == FeatureMapSpec.Kind.IDENTITY) {
            return x;
        }
        NDArray z = x.matMul(inputs.get(name + ".weight"));
        if (spec.featureMap().bias()) {
            z = z.add(inputs.get(name + ".bias").expandDims(1));
        }
        NDArray floor = z.getManager().full(new Shape(1), 1e-12f, DataType.FLOAT32);
        return NDArrays.maximum(
                z.softmax(-1).concat(z.neg().softmax(-1), -1),
                floor.toType(z.getDataType(), false));
    }

    private NDArray logGate(Map<String, NDArray> inputs) {
        if (inputs.containsKey("g")) {
            return inputs.get("g");
        }
        NDArray logits = inputs.get("x").matMul(inputs.get("gate.weight").transpose());
        if (spec.gate().bias()) {
            logits = logits.add(inputs.get("gate.bias"));
        }
        return Activation.softPlus(logits.neg()).neg().transpose(0, 2, 1);
    }

    /** RoPE in the "rotate half" convention of HuggingFace's Llama. */
    private static NDArray rotate(NDArray x, Map<String, NDArray> inputs) {
        if (!inputs.containsKey("cos")) {
            return x;
        }
        NDList halves = x.split(2, 3);
        NDArray turned = halves.get(1).neg().concat(halves.get(0), -1);
        return x.mul(inputs.get("cos")).add(turned.mul(inputs.get("sin")));
    }
}
