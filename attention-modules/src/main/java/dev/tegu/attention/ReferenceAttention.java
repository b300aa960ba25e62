package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import dev.tegu.engine.Numbers;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The attention layer written out as its formula: T x T weights, one plain {@code NDArray}
 * operation after the other. Slow and obviously right; the fast forms are tested against it,
 * gradients too.
 *
 * <p>Time and memory O(T^2) a head, O(T^2 F) with a gate for each feature.
 */
public final class ReferenceAttention {
    private final AttentionSpec spec;
    private final AttentionShape shape;

    /** A reference layer for the given switches and sizes. */
    public ReferenceAttention(AttentionSpec spec, AttentionShape shape) {
        spec.check(shape);
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
        int repeats = shape.numHeads() / shape.numKvHeads();
        NDArray keys = k.repeat(1, repeats);
        NDArray values = v.repeat(1, repeats);
        NDArray rotatedQ = rotate(q, inputs);
        NDArray rotatedK = rotate(keys, inputs);
        Masks masks = masks(q, inputs);

        Branch near = null;
        if (spec.window().size() > 0) {
            boolean rope = spec.window().rope();
            NDArray from = rope ? rotatedQ : q;
            near = window(from, rope ? rotatedK : keys, values, masks.window(), inputs);
        }
        Branch far = null;
        Map<String, NDArray> state = new LinkedHashMap<>();
        if (spec.isLinear()) {
            boolean rope = spec.linearRope();
            NDArray phiQ = new ReferenceFeatureMap(spec, inputs).of(rope ? rotatedQ : q, "q");
            if (spec.linearScale()) {
                phiQ = Numbers.times(phiQ, 1 / Math.sqrt((double) phiQ.getShape().get(3)));
            }
            NDArray phiK = new ReferenceFeatureMap(spec, inputs).of(rope ? rotatedK : keys, "k");
            NDArray weights;
            NDArray remaining = phiK;
            if (spec.isGated()) {
                // log-gates summed over the tokens from 0 to t, [B, S, T, 1 or F]
                NDArray gate = new ReferenceGate(spec, shape).log(keys, inputs);
                NDArray total = gate.mul(masks.real()).cumSum(2);
                long length = total.getShape().get(2);
                NDArray rest = total.get(":,:," + (length - 1) + ":").sub(total);
                remaining = phiK.mul(rest.exp());
                weights = gatedWeights(phiQ, phiK, total, masks.linear());
            } else {
                weights = phiQ.matMul(phiK.transpose(0, 1, 3, 2)).mul(masks.linear());
            }
            far = new Branch(weights.matMul(values), weights.sum(new int[] {3}, true));
            remaining = remaining.mul(masks.state());
            state.put("kv_state", remaining.transpose(0, 1, 3, 2).matMul(values));
            state.put("k_sum", remaining.sum(new int[] {2}));
        }
        NDArray output = combine(near, far, inputs);
        return new Result(output == null ? Numbers.times(q, 0) : output.mul(masks.real()), state);
    }

    /** sum over F of phi(q_i) phi(k_j) exp(total_i - total_j) where query i sums over key j. */
    private static NDArray gatedWeights(
            NDArray phiQ, NDArray phiK, NDArray total, NDArray visible) {
        NDArray weights = null;
        long gates = total.getShape().get(3);
        for (long f = 0; f < gates; f++) {
            // one gate for all features, or one feature after the other
            String part = gates == 1 ? ":" : f + ":" + (f + 1);
            NDArray q = phiQ.get(":,:,:," + part);
            NDArray k = phiK.get(":,:,:," + part);
            NDArray sum = total.get(":,:,:," + f + ":" + (f + 1));
            NDArray gap = sum.sub(sum.transpose(0, 1, 3, 2));
            // what is not visible may lie after the query, where the exponent is positive
            NDArray decay = gap.mul(visible).exp().mul(visible);
            NDArray product = q.matMul(k.transpose(0, 1, 3, 2)).mul(decay);
            weights = weights == null ? product : weights.add(product);
        }
        return weights;
    }

    /**
     * Ones and zeros.
     *
     * @param window which keys are in a query's window, [B, 1, T, T]
     * @param linear which keys a query's linear branch sums over, [B, 1, T, T]
     * @param state which keys stay in the sums, [B, 1, T, 1]
     * @param real which tokens are no padding, [B, 1, T, 1]
     */
    private record Masks(NDArray window, NDArray linear, NDArray state, NDArray real) {}

    private Masks masks(NDArray q, Map<String, NDArray> inputs) {
        int batch = Math.toIntExact(q.getShape().get(0));
        int length = Math.toIntExact(q.getShape().get(2));
        double[] given = new double[batch * length];
        Arrays.fill(given, 1);
        if (inputs.containsKey("mask")) {
            given = doubles(inputs.get("mask"));
        }
        double[] documents = new double[batch * length];
        if (inputs.containsKey("document")) {
            documents = doubles(inputs.get("document"));
        }
        float[] window = new float[batch * length * length];
        float[] linear = new float[batch * length * length];
        float[] state = new float[batch * length];
        float[] real = new float[batch * length];
        for (int b = 0; b < batch; b++) {
            boolean[] isReal = new boolean[length];
            long[] document = new long[length];
            for (int t = 0; t < length; t++) {
                isReal[t] = given[b * length + t] != 0;
                document[t] = (long) documents[b * length + t];
            }
            TokenView view = new TokenView(spec, isReal, document);
            for (int i = 0; i < length; i++) {
                real[b * length + i] = isReal[i] ? 1 : 0;
                state[b * length + i] = view.inFinalState(i) ? 1 : 0;
                for (int j = 0; j < length; j++) {
                    int at = (b * length + i) * length + j;
                    window[at] = view.inWindow(i, j) ? 1 : 0;
                    linear[at] = view.inLinear(i, j) ? 1 : 0;
                }
            }
        }
        NDManager manager = q.getManager();
        DataType type = q.getDataType();
        Shape pairs = new Shape(batch, 1, length, length);
        Shape tokens = new Shape(batch, 1, length, 1);
        return new Masks(
                manager.create(window, pairs).toType(type, false),
                manager.create(linear, pairs).toType(type, false),
                manager.create(state, tokens).toType(type, false),
                manager.create(real, tokens).toType(type, false));
    }

    private static double[] doubles(NDArray array) {
        return array.toType(DataType.FLOAT64, true).toDoubleArray();
    }

    /** Numerator [B, H, T, D] and denominator [B, H, T, 1] of one branch. */
    private record Branch(NDArray numerator, NDArray denominator) {
        /** The branch by itself; 0 where it summed over nothing. */
        NDArray ratio() {
            NDArray none = denominator.eq(0).toType(denominator.getDataType(), false);
            return numerator.div(denominator.add(none));
        }

        Branch times(NDArray factor) {
            return new Branch(numerator.mul(factor), denominator.mul(factor));
        }

        Branch plus(Branch other) {
            return new Branch(numerator.add(other.numerator), denominator.add(other.denominator));
        }
    }

    private Branch window(
            NDArray q, NDArray k, NDArray v, NDArray visible, Map<String, NDArray> inputs) {
        NDArray products = q.matMul(k.transpose(0, 1, 3, 2));
        NDArray scores = Numbers.times(products, 1 / Math.sqrt(shape.headDim()));
        NDArray hidden = Numbers.times(scores, 0).add(Float.NEGATIVE_INFINITY);
        scores = NDArrays.where(visible.gt(0).broadcast(scores.getShape()), scores, hidden);
        NDArray top = scores.max(new int[] {3}, true);
        NDArray sinks = inputs.get("sinks");
        if (spec.window().sinks() > 0) {
            sinks = sinks.reshape(1, shape.numHeads(), 1, spec.window().sinks());
            top = NDArrays.maximum(top, sinks.max(new int[] {3}, true));
        } else {
            // padding sees nothing and has no largest score
            NDArray some = visible.sum(new int[] {3}, true).gt(0).broadcast(top.getShape());
            top =
                    NDArrays.where(
                            some, top, top.getManager().zeros(top.getShape(), top.getDataType()));
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
                    sum = linear(far, inputs);
                }
                if (near != null) {
                    NDArray weighted = near.ratio().mul(inputs.get("alpha").reshape(perHead));
                    sum = sum == null ? weighted : sum.add(weighted);
                }
                yield sum;
            }
            case AVERAGE -> {
                NDArray linear = linear(far, inputs);
                yield Numbers.times(linear.add(near.ratio()), 0.5);
            }
            case SHARED_DENOMINATOR -> {
                if (near == null || far == null) {
                    yield (near == null ? far : near).ratio();
                }
                NDArray factor = Activation.sigmoid(inputs.get("window_factor")).reshape(perHead);
                if (spec.combine().affine()) {
                    far = far.times(factor.neg().add(1));
                }
                yield near.times(factor).plus(far).ratio();
            }
        };
    }

    /** The linear branch by itself. */
    private NDArray linear(Branch far, Map<String, NDArray> inputs) {
        if (spec.normalize()) {
            return far.ratio();
        }
        NDArray sums = far.numerator();
        if (!spec.outputNorm()) {
            return sums;
        }
        NDArray size = sums.mul(sums).mean(new int[] {3}, true).add(1e-6f).sqrt();
        return sums.div(size).mul(inputs.get("output_norm.weight").expandDims(1));
    }

    /** RoPE in the "rotate half" convention of HuggingFace's Llama. */
    private static NDArray rotate(NDArray x, Map<String, NDArray> inputs) {
        if (!inputs.containsKey("cos")) {
            return x;
        }
        NDArray cos = inputs.get("cos");
        NDArray sin = inputs.get("sin");
        if (cos.getShape().dimension() == 3) {
            cos = cos.expandDims(1);
            sin = sin.expandDims(1);
        }
        NDList halves = x.split(2, 3);
        NDArray turned = halves.get(1).neg().concat(halves.get(0), -1);
        return x.mul(cos).add(turned.mul(sin));
    }
}
