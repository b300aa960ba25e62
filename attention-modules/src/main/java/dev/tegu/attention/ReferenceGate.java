package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.Activation;
import dev.tegu.engine.Numbers;
import java.util.Map;

/** The gates of {@link GateSpec.Kind}, one plain operation after the other. */
final class ReferenceGate {
    private final GateSpec gate;
    private final AttentionShape shape;

    ReferenceGate(AttentionSpec spec, AttentionShape shape) {
        this.gate = spec.gate();
        this.shape = shape;
    }

    /**
     * @param k keys before RoPE, one a query head, [B, H, T, D]
     * @return logarithm of the gate, [B, S, T, 1] or [B, S, T, F]
     */
    NDArray log(NDArray k, Map<String, NDArray> inputs) {
        if (inputs.containsKey("g")) {
            NDArray g = inputs.get("g");
            return g.getShape().dimension() == 3 ? g.expandDims(3) : g;
        }
        return switch (gate.kind()) {
            case SCALAR -> logSigmoid(heads(logits(inputs)));
            case MAMBA2 ->
                    heads(
                            Activation.softPlus(logits(inputs))
                                    .mul(inputs.get("gate.log_rate").exp())
                                    .neg());
            case LOW_RANK_VECTOR -> {
                NDArray low = inputs.get("x").matMul(inputs.get("gate.down.weight").transpose());
                NDArray up = inputs.get("gate.up.weight").transpose(0, 2, 1);
                NDArray u = low.expandDims(1).matMul(up);
                if (gate.bias()) {
                    u = u.add(inputs.get("gate.bias").expandDims(1));
                }
                yield Numbers.times(logSigmoid(u), 1 / gate.divisorValue());
            }
            case KEY_POOL -> {
                boolean each = gate.pool() == GateSpec.Pool.NONE;
                NDArray u = each ? k : k.mean(new int[] {3}, true);
                yield Numbers.times(logSigmoid(u), 1 / gate.divisorValue());
            }
            case CONSTANT -> {
                NDArray each = inputs.get("gate.log_decay").reshape(1, shape.numHeads(), 1, 1);
                yield Numbers.times(k, 0).mean(new int[] {3}, true).add(each);
            }
            case NONE -> throw new IllegalStateException("no gate");
        };
    }

    /** [B, T, S]. */
    private NDArray logits(Map<String, NDArray> inputs) {
        NDArray u = inputs.get("x").matMul(inputs.get("gate.weight").transpose());
        return gate.bias() ? u.add(inputs.get("gate.bias")) : u;
    }

    /** [B, T, S] to [B, S, T, 1]. */
    private static NDArray heads(NDArray u) {
        return u.transpose(0, 2, 1).expandDims(3);
    }

    private static NDArray logSigmoid(NDArray u) {
        return Activation.softPlus(u.neg()).neg();
    }
}
