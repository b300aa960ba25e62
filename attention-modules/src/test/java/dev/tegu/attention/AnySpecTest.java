package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import dev.tegu.config.ConfigException;
import dev.tegu.config.InvalidValueException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The three forms agree wherever the switches stand, with padding and packed documents: specs drawn
 * at random, each with its own sizes, padding and documents, in float64.
 */
class AnySpecTest {
    /**
     * In float64 only a difference of the functions is larger than this, however ill-conditioned.
     */
    private static final double TOLERANCE = 1e-8;

    private static final int CASES = 240;

    static IntStream seeds() {
        return IntStream.range(0, CASES);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void formsAgree(int seed) {
        SplittableRandom random = new SplittableRandom(seed * 7919L + 1);
        AttentionShape shape = shape(random);
        String yaml = draw(random, shape);
        AttentionSpec spec = AttentionCase.spec(yaml, 0);
        int length = random.nextInt(10) == 0 ? 130 : 1 + random.nextInt(40);
        try (NDManager manager = TestDevice.newManager()) {
            AttentionCase inputs =
                    new AttentionCase(manager, spec, shape, 3, length, DataType.FLOAT64);
            if (random.nextInt(3) == 0) {
                inputs.withMask(mask(random, length));
            }
            if (random.nextInt(3) == 0) {
                inputs.withDocuments(documents(random, length));
            }
            AttentionCase.Outcome reference = inputs.reference();
            int chunk = 1 + random.nextInt(20);
            try (LinearAttention layer = newLayer(spec, shape, chunk, 1 + random.nextInt(30))) {
                String name = yaml + " " + shape + " T" + length + " C" + chunk + ": ";
                reference.assertClose(
                        inputs.pieces(layer, List.of(length)), TOLERANCE, name + "chunked");
                if (spec.window().anchor() == WindowSpec.Anchor.START) {
                    List<Integer> pieces = pieces(random, length);
                    reference.assertClose(
                            inputs.pieces(layer, pieces), TOLERANCE, name + "pieces " + pieces);
                }
            }
        }
    }

    /** A layer that works in small segments, so that short texts cross their borders. */
    private static LinearAttention newLayer(
            AttentionSpec spec, AttentionShape shape, int chunkSize, int segment) {
        return new LinearAttention(spec, shape, chunkSize, segment, false, Set.of());
    }

    static AttentionShape shape(SplittableRandom random) {
        int kvHeads = 1 + random.nextInt(2);
        int headDim = 2 * (1 + random.nextInt(4));
        return new AttentionShape(kvHeads * (1 + random.nextInt(3)), kvHeads, headDim, 5);
    }

    /** Switches that go together; those that do not are drawn again. */
    static String draw(SplittableRandom random, AttentionShape shape) {
        for (int tries = 0; ; tries++) {
            String yaml = switches(random, shape.headDim());
            try {
                AttentionCase.spec(yaml, 0).check(shape);
                return yaml;
            } catch (ConfigException | InvalidValueException e) {
                assertTrue(tries < 1000, e.getMessage());
            }
        }
    }

    private static String switches(SplittableRandom random, int headDim) {
        String map =
                pick(random, "identity", "elu", "head_softmax", "hedgehog", "hedgehog_joint")
                        + pick(random, "", "", ", bias: true", ", tied: true", ", sharing: layer");
        if (random.nextInt(2) == 0) {
            map =
                    pick(random, "hedgehog", "hedgehog_exp", "t2r", "taylor")
                            // a single feature cancels where sums divide: gradients of nothing but
                            // rounding
                            + (", feature_dim: " + pick(random, "2", "3", "" + headDim))
                            + pick(random, "", ", bias: true", ", skip: true, sharing: layer");
        }
        String gate =
                pick(
                        random,
                        "none",
                        "{kind: scalar}",
                        "{kind: scalar, per: layer, absorb: true}",
                        "{kind: mamba2}",
                        "{kind: low_rank_vector, rank: 2}",
                        "{kind: low_rank_vector, rank: 2, per: layer, divisor: 1}",
                        "{kind: key_pool}",
                        "{kind: key_pool, pool: mean, divisor: 2}",
                        "{kind: constant}",
                        "{kind: constant, schedule: lightning}");
        String window =
                ("size: " + pick(random, "0", "1", "2", "3", "5", "8"))
                        + pick(random, "", ", shape: terrace", ", shape: terrace")
                        + pick(random, "", "", ", anchor: end", ", anchor: reference")
                        + pick(random, "", ", rope: false")
                        + pick(random, "", "", ", sinks: 2")
                        + pick(random, "", "", ", keep_first: 1", ", keep_first: 4");
        String combine =
                pick(
                        random,
                        "shared_denominator",
                        "{kind: shared_denominator, affine: true}",
                        "sum",
                        "average");
        return ("{feature_map: {kind: " + map + "}, gate: " + gate + ", window: {" + window + "}")
                + (", linear_scope: " + pick(random, "all", "outside_window", "outside_window"))
                + (", linear_rope: " + pick(random, "true", "false"))
                + (", linear_scale: " + pick(random, "true", "false") + ", combine: " + combine)
                // one feature cancels where sums divide, and a gradient of nothing but rounding is
                // left;  of either sign has no bound on its rounding
                + normalize(random, map.startsWith("identity"));
    }

    private static String normalize(SplittableRandom random, boolean never) {
        if (never || random.nextInt(4) == 0) {
            return ", normalize: false, output_norm: " + random.nextBoolean() + "}";
        }
        return ", normalize: true}";
    }

    private static String pick(SplittableRandom random, String... choices) {
        return choices[random.nextInt(choices.length)];
    }

    private static List<Integer> pieces(SplittableRandom random, int length) {
        List<Integer> pieces = new ArrayList<>();
        int left = random.nextBoolean() ? length : length - Math.min(length, 12);
        while (left > 0) {
            int piece = 1 + random.nextInt(left);
            pieces.add(piece);
            left -= piece;
        }
        return pieces;
    }

    /** Padding on the left, on the right, anywhere, and in one row everywhere. */
    static int[][] mask(SplittableRandom random, int length) {
        int[][] mask = new int[3][length];
        int left = random.nextInt(length + 1);
        int right = random.nextInt(length + 1);
        for (int t = 0; t < length; t++) {
            mask[0][t] = t >= left ? 1 : 0;
            mask[1][t] = t < right ? 1 : 0;
            mask[2][t] = random.nextInt(3) > 0 ? 1 : 0;
        }
        return mask;
    }

    static int[][] documents(SplittableRandom random, int length) {
        int[][] documents = new int[3][length];
        for (int[] row : documents) {
            int document = random.nextInt(3);
            for (int t = 0; t < length; t++) {
                // numbers may come back: a change begins a text, not a new number
                document = random.nextInt(6) == 0 ? (document + 1) % 3 : document;
                row[t] = document;
            }
        }
        return documents;
    }
}
