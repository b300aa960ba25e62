package dev.tegu.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Cosines and sines of the positions met so far; grows by doubling. Pairs of coordinates that are
 * not rotated have cosine 1 and sine 0.
 */
final class RopeTable implements AutoCloseable {
    private final NDManager manager;
    private final Angles usual;
    private final Optional<DecoderSwitches.LongRope> longRope;
    private final Optional<Angles> longer;

    RopeTable(ModelConfig config, NDManager manager) {
        this.manager = manager;
        int headDim = config.shape().headDim();
        double[] frequencies = config.rope().frequencies(config.switches().rotaryDims());
        this.longRope = config.switches().longRope();
        this.usual =
                new Angles(
                        divided(frequencies, longRope.map(DecoderSwitches.LongRope::shortFactors)),
                        headDim);
        this.longer =
                longRope.map(
                        rope ->
                                new Angles(
                                        divided(frequencies, Optional.of(rope.longFactors())),
                                        headDim));
    }

    private static double[] divided(double[] frequencies, Optional<List<Double>> factors) {
        double[] divided = frequencies.clone();
        factors.ifPresent(f -> Arrays.setAll(divided, i -> divided[i] / f.get(i)));
        return divided;
    }

    /**
     * @param owner manager of the results
     * @return cos and sin of positions {@code from..to-1}, each [to - from, D] float32; where
     *     frequencies depend on the text's length, that of a text which ends at {@code to}
     */
    NDArray[] slice(NDManager owner, int from, int to) {
        Angles angles = reach(to);
        String range = from + ":" + to;
        NDArray c = angles.cos.get(range);
        NDArray s = angles.sin.get(range);
        c.attach(owner);
        s.attach(owner);
        return new NDArray[] {c, s};
    }

    /** The whole table as {@code cos} and {@code sin}, with at least so many positions. */
    Map<String, NDArray> upTo(int positions) {
        Angles angles = reach(positions);
        return Map.of("cos", angles.cos, "sin", angles.sin);
    }

    private Angles reach(int positions) {
        boolean isLong = longRope.isPresent() && positions > longRope.get().original();
        Angles angles = isLong ? longer.orElseThrow() : usual;
        if (positions > angles.length) {
            angles.grow(Math.max(positions, Math.max(256, 2 * angles.length)));
        }
        return angles;
    }

    /** A table of one set of frequencies. */
    private final class Angles {
        private final double[] frequencies;
        private final int half;
        private NDArray cos;
        private NDArray sin;
        private int length;

        private Angles(double[] frequencies, int headDim) {
            this.frequencies = frequencies;
            this.half = headDim / 2;
        }

        private void grow(int newLength) {
            float[] c = new float[newLength * 2 * half];
            float[] s = new float[newLength * 2 * half];
            Arrays.fill(c, 1);
            double scale = longRope.map(DecoderSwitches.LongRope::scale).orElse(1.0);
            for (int t = 0; t < newLength; t++) {
                for (int i = 0; i < frequencies.length; i++) {
                    double angle = t * frequencies[i];
                    int at = t * 2 * half + i;
                    c[at] = (float) (scale * Math.cos(angle));
                    s[at] = (float) (scale * Math.sin(angle));
                    c[at + half] = c[at];
                    s[at + half] = s[at];
                }
            }
            close();
            Shape shape = new Shape(newLength, 2L * half);
            cos = TensorCodec.owned(manager.create(c, shape));
            sin = TensorCodec.owned(manager.create(s, shape));
            length = newLength;
        }

        private void close() {
            if (cos != null) {
                cos.close();
                sin.close();
            }
        }
    }

    @Override
    public void close() {
        usual.close();
        longer.ifPresent(Angles::close);
    }
}
