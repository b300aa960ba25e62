package dev.tegu.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.engine.Numbers;
import java.util.Map;

/** The feature maps of {@link FeatureMapSpec.Kind}, one plain operation after the other. */
final class ReferenceFeatureMap {
    private final AttentionSpec spec;
    private final Map<String, NDArray> inputs;

    ReferenceFeatureMap(AttentionSpec spec, Map<String, NDArray> inputs) {
        this.spec = spec;
        this.inputs = inputs;
    }

    /**
     * @param x queries or keys, [B, H, T, D]
     * @param side {@code q} or {@code k}
     * @return [B, H, T, F]
     */
    NDArray of(NDArray x, String side) {
        return switch (spec.featureMap().kind()) {
            case IDENTITY -> x;
            case ELU -> floor(elu(x).add(1));
            case HEAD_SOFTMAX -> x.softmax(-1);
            case HEDGEHOG -> {
                NDArray z = project(x, side);
                yield floor(z.softmax(-1).concat(z.neg().softmax(-1), -1));
            }
            case HEDGEHOG_JOINT -> {
                NDArray z = Numbers.times(project(x, side), 2);
                yield z.concat(z.neg(), -1).softmax(-1);
            }
            case HEDGEHOG_EXP -> {
                NDArray z = project(x, side);
                yield z.exp().concat(z.neg().exp(), -1);
            }
            case T2R -> {
                NDArray z = project(x, side);
                yield floor(NDArrays.maximum(z, Numbers.times(z, 0)));
            }
            case TAYLOR -> taylor(project(x, side));
        };
    }

    private NDArray project(NDArray x, String side) {
        FeatureMapSpec map = spec.featureMap();
        String name = "feature_map_" + (map.tied() ? "q" : side);
        NDArray z = x.matMul(inputs.get(name + ".weight"));
        if (map.skip()) {
            z = z.add(x);
        }
        return map.bias() ? z.add(inputs.get(name + ".bias").expandDims(1)) : z;
    }

    /** x above 0, exp(x) - 1 below. */
    private static NDArray elu(NDArray x) {
        NDArray zero = Numbers.times(x, 0);
        NDArray below = NDArrays.minimum(x, zero).exp().sub(1);
        return NDArrays.maximum(x, zero).add(below);
    }

    /** The features of the expansion, written as all products of the upper triangle. */
    private static NDArray taylor(NDArray z) {
        long p = z.getShape().get(3);
        NDArray scaled = Numbers.times(z, Math.pow((double) p, -0.25));
        NDList parts = new NDList(Numbers.times(scaled, 0).get(":,:,:,0:1").add(1), scaled);
        for (long i = 0; i < p; i++) {
            for (long j = i; j < p; j++) {
                NDArray first = scaled.get(":,:,:," + i + ":" + (i + 1));
                NDArray second = scaled.get(":,:,:," + j + ":" + (j + 1));
                parts.add(Numbers.times(first.mul(second), i == j ? Math.sqrt(0.5) : 1));
            }
        }
        return NDArrays.concat(parts, -1);
    }

    private static NDArray floor(NDArray features) {
        NDArray floor = features.getManager().full(new Shape(1), 1e-12f, DataType.FLOAT32);
        return NDArrays.maximum(features, floor.toType(features.getDataType(), false));
    }
}
