package dev.tegu.attention;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * One new parameter of a student's layer.
 *
 * @param name its name in the checkpoint, relative to the layer's attention
 * @param shape its shape
 * @param init its start values
 */
public record AttentionParameter(String name, List<Long> shape, Init init) {

    /** Start values, row-major. */
    @FunctionalInterface
    public interface Init {
        /** Fills {@code values}, all zero before. */
        void fill(float[] values, SplittableRandom random);
    }

    /**
     * The parameters that a spec asks for, in a fixed order.
     *
     * @return empty for methods without parameters
     * @throws dev.tegu.config.InvalidValueException if the spec does not fit the sizes
     */
    public static List<AttentionParameter> of(AttentionSpec spec, AttentionShape shape) {
        spec.check(shape);
        List<AttentionParameter> all = new ArrayList<>();
        long heads = shape.numHeads();
        if (spec.isLinear() && spec.featureMap().kind().isLearned()) {
            all.addAll(featureMaps(spec.featureMap(), shape));
        }
        all.addAll(gate(spec, shape));
        boolean window = spec.window().size() > 0;
        CombineSpec combine = spec.combine();
        if (window && spec.isLinear() && combine.kind() == CombineSpec.Kind.SHARED_DENOMINATOR) {
            all.add(
                    constant(
                            "window_factor",
                            logit(combine.windowFactorStart().orElse(0.1)),
                            heads));
        }
        if (spec.window().sinks() > 0) {
            all.add(constant("sinks", 0, heads, spec.window().sinks()));
        }
        if (window && combine.kind() == CombineSpec.Kind.SUM) {
            all.add(constant("alpha", combine.alphaStart().orElse(1.0), heads));
        }
        if (spec.outputNorm()) {
            all.add(constant("output_norm.weight", 1, heads, shape.headDim()));
        }
        return List.copyOf(all);
    }

    private static List<AttentionParameter> featureMaps(FeatureMapSpec map, AttentionShape shape) {
        List<AttentionParameter> all = new ArrayList<>();
        long heads = map.sharing() == FeatureMapSpec.Sharing.LAYER ? 1 : shape.numHeads();
        int p = map.projectionDim(shape.headDim());
        for (String side : map.tied() ? List.of("q") : List.of("q", "k")) {
            String name = "feature_map_" + side;
            all.add(
                    new AttentionParameter(
                            name + ".weight",
                            List.of(heads, (long) shape.headDim(), (long) p),
                            projection(map, shape.headDim(), p)));
            if (map.bias()) {
                all.add(constant(name + ".bias", 0, heads, p));
            }
        }
        return all;
    }

    private static List<AttentionParameter> gate(AttentionSpec spec, AttentionShape shape) {
        GateSpec gate = spec.gate();
        if (!gate.readsInput()) {
            return List.of();
        }
        List<AttentionParameter> all = new ArrayList<>();
        long gates = gate.gateHeads(shape.numHeads());
        long hidden = shape.hiddenSize();
        double start = gate.startValue();
        if (gate.kind() == GateSpec.Kind.LOW_RANK_VECTOR) {
            long width = spec.featureMap().featureWidth(shape.headDim());
            long rank = gate.rankValue();
            Init down = normal(1 / Math.sqrt((double) hidden));
            all.add(new AttentionParameter("gate.down.weight", List.of(rank, hidden), down));
            all.add(constant("gate.up.weight", 0, gates, width, rank));
            if (gate.bias()) {
                double bias = logit(Math.pow(start, gate.divisorValue()));
                all.add(constant("gate.bias", bias, gates, width));
            }
            return all;
        }
        all.add(constant("gate.weight", 0, gates, hidden));
        if (gate.kind() == GateSpec.Kind.MAMBA2) {
            if (gate.bias()) {
                all.add(constant("gate.bias", Math.log(Math.expm1(-Math.log(start))), gates));
            }
            all.add(constant("gate.log_rate", 0, gates));
        } else if (gate.bias()) {
            all.add(constant("gate.bias", logit(start), gates));
        }
        return all;
    }

    /** Number of values. */
    public int size() {
        return Math.toIntExact(shape.stream().reduce(1L, Math::multiplyExact));
    }

    /**
     * @param seed seed of the run
     * @param layer number of the layer; layers draw independent values
     * @return the start values, row-major
     */
    public float[] initialValues(long seed, int layer) {
        float[] values = new float[size()];
        // Queries and keys of a layer start equal, as LoLCATs' copy does.
        String kind = name.replace("feature_map_k", "feature_map_q");
        init.fill(values, new SplittableRandom((seed * 1_000_003L + layer) * 31 + kind.hashCode()));
        return values;
    }

    private static AttentionParameter constant(String name, double value, long... shape) {
        List<Long> dims = Arrays.stream(shape).boxed().toList();
        return new AttentionParameter(
                name, dims, (values, random) -> Arrays.fill(values, (float) value));
    }

    private static Init projection(FeatureMapSpec map, int headDim, int p) {
        if (map.skip() && map.init() == FeatureMapSpec.Init.IDENTITY) {
            return (values, random) -> {};
        }
        return switch (map.init()) {
            case IDENTITY ->
                    (values, random) -> {
                        for (int head = 0; head < values.length; head += headDim * p) {
                            for (int i = 0; i < Math.min(headDim, p); i++) {
                                values[head + i * p + i] = 1;
                            }
                        }
                    };
            case KAIMING ->
                    (values, random) -> {
                        double bound = Math.sqrt(6.0 / (headDim * p));
                        for (int i = 0; i < values.length; i++) {
                            values[i] = (float) ((2 * random.nextDouble() - 1) * bound);
                        }
                    };
            case NORMAL -> normal(1);
        };
    }

    /** Normal values of the given standard deviation. */
    public static Init normal(double deviation) {
        return (values, random) -> {
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) (deviation * gaussian(random));
            }
        };
    }

    /** Box-Muller; the class library's own method may change between versions. */
    private static double gaussian(SplittableRandom random) {
        double radius = Math.sqrt(-2 * Math.log(1 - random.nextDouble()));
        return radius * Math.cos(2 * Math.PI * random.nextDouble());
    }

    private static double logit(double p) {
        return Math.log(p / (1 - p));
    }
}
