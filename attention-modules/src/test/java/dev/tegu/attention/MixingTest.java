package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import dev.tegu.config.ConfigBinder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Rows of the mixing matrix are what the layer makes of the unit matrix as values, and so are their
 * gradients: in float64 for the function, in float32 as trained.
 */
class MixingTest {
    private static final AttentionShape SHAPE = new AttentionShape(6, 3, 8, 5);

    static Stream<String> presets() {
        // without any attention there is no matrix but zero, which has no gradient
        return AttentionPresets.NAMES.stream().filter(name -> !name.equals("no-attention"));
    }

    @ParameterizedTest
    @MethodSource("presets")
    void rowsAreTheLayersAnswersToTheUnitMatrix(String preset) {
        AttentionSpec spec = AttentionCase.spec(preset, 4);
        try (LinearAttention layer = new LinearAttention(spec, SHAPE, 16)) {
            for (int length : List.of(1, 7, 33, 65)) {
                try (NDManager manager = TestDevice.newManager()) {
                    AttentionCase inputs =
                            new AttentionCase(manager, spec, SHAPE, 2, length, DataType.FLOAT64);
                    SplittableRandom random = new SplittableRandom(length);
                    assertRows(layer, inputs, length, random, 1e-8, preset + " T" + length);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("trained")
    void float32RowsAreNear(String preset) {
        try (NDManager manager = TestDevice.newManager()) {
            AttentionSpec spec = AttentionCase.spec(preset, 8);
            AttentionCase inputs = new AttentionCase(manager, spec, SHAPE, 200);
            try (LinearAttention layer = new LinearAttention(spec, SHAPE, 16)) {
                assertRows(layer, inputs, 200, new SplittableRandom(3), 1e-4, preset);
            }
        }
    }

    static Stream<String> trained() {
        return Stream.of(
                "lolcats", "lizard", "hedgehog", "gla", "lolcats-terrace", "liger", "based");
    }

    static IntStream seeds() {
        return IntStream.range(0, 40);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void rowsAreRightForAnySwitchesPaddingAndDocuments(int seed) {
        SplittableRandom random = new SplittableRandom(seed * 7919L + 5);
        AttentionShape shape = AnySpecTest.shape(random);
        String yaml = AnySpecTest.draw(random, shape);
        AttentionSpec spec = AttentionCase.spec(yaml, 0);
        int length = random.nextInt(8) == 0 ? 70 : 1 + random.nextInt(30);
        try (NDManager manager = TestDevice.newManager()) {
            AttentionCase inputs =
                    new AttentionCase(manager, spec, shape, 3, length, DataType.FLOAT64);
            if (random.nextInt(2) == 0) {
                inputs.withMask(AnySpecTest.mask(random, length));
            }
            if (random.nextInt(2) == 0) {
                inputs.withDocuments(AnySpecTest.documents(random, length));
            }
            try (LinearAttention layer = new LinearAttention(spec, shape, 16)) {
                String name = yaml + " " + shape + " T" + length;
                assertRows(layer, inputs, length, random, 1e-8, name);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("trained")
    void rowsTimesValuesAreTheOutput(String preset) {
        try (NDManager manager = TestDevice.newManager()) {
            AttentionSpec spec = withoutNorm(AttentionCase.spec(preset, 4));
            AttentionCase inputs = new AttentionCase(manager, spec, SHAPE, 2, 40, DataType.FLOAT64);
            Map<String, NDArray> in = new TreeMap<>(inputs.inputs);
            NDArray q = in.remove("q");
            NDArray k = in.remove("k");
            NDArray v = in.remove("v");
            try (LinearAttention layer = new LinearAttention(spec, SHAPE, 16)) {
                NDArray output = layer.chunked(q, k, v, in, layer.emptyState(q, k, v)).output();
                NDArray rows = layer.mixing(q, k, in, manager.arange(0, 40, 1, DataType.INT64));

                double error = AttentionCase.relativeRms(rows.matMul(v.repeat(1, 2)), output);
                assertTrue(error < 1e-10, preset + " is off by " + error);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("withWindow")
    void aLayerWithoutItsWindowHasTheLinearRowsOnly(String preset) {
        try (NDManager manager = TestDevice.newManager()) {
            AttentionSpec spec = AttentionCase.spec(preset, 4);
            AttentionCase inputs = new AttentionCase(manager, spec, SHAPE, 2, 20, DataType.FLOAT64);
            Map<String, NDArray> in = new TreeMap<>(inputs.inputs);
            NDArray q = in.remove("q");
            NDArray k = in.remove("k");
            in.remove("v");
            NDArray all = manager.arange(0, 20, 1, DataType.INT64);
            try (LinearAttention layer = new LinearAttention(spec, SHAPE, 16);
                    LinearAttention ablated =
                            new LinearAttention(
                                    spec, SHAPE, 16, Set.of(LinearAttention.Branch.WINDOW))) {
                NDArray whole = layer.mixing(q, k, in, all);
                NDArray expected = ablated.mixing(q, k, in, all);
                in.put("no_window", manager.create(0f));
                NDArray dropped = layer.mixing(q, k, in, all);

                assertEquals(0, AttentionCase.relativeRms(dropped, expected), 1e-12);
                assertTrue(AttentionCase.relativeRms(whole, expected) > 0.1, "the window counts");
            }
        }
    }

    static Stream<String> withWindow() {
        return Stream.of("lolcats", "lizard", "liger");
    }

    /** The norm behind the heads is no part of the matrix. */
    private static AttentionSpec withoutNorm(AttentionSpec spec) {
        return spec.outputNorm()
                ? ConfigBinder.bind(
                        ConfigBinder.toNode(spec).with("output_norm", "false", "test"),
                        AttentionSpec.class)
                : spec;
    }

    private static void assertRows(
            LinearAttention layer,
            AttentionCase inputs,
            int length,
            SplittableRandom random,
            double tolerance,
            String name) {
        NDManager manager = inputs.inputs.get("q").getManager();
        DataType type = inputs.inputs.get("q").getDataType();
        int[] index = random.ints(1 + random.nextInt(length), 0, length).toArray();
        long batch = inputs.inputs.get("q").getShape().get(0);
        int heads = inputs.shape.numHeads();
        double[] weight = new double[(int) batch * heads * length * length];
        double[] chosenWeight = new double[(int) batch * heads * index.length * length];
        for (int bh = 0; bh < batch * heads; bh++) {
            for (int i = 0; i < index.length; i++) {
                for (int j = 0; j < length; j++) {
                    double w = random.nextDouble(-1, 1);
                    chosenWeight[(bh * index.length + i) * length + j] = w;
                    // a query that is asked for twice counts twice
                    weight[(bh * length + index[i]) * length + j] += w;
                }
            }
        }
        Shape full = new Shape(batch, heads, length, length);
        Shape part = new Shape(batch, heads, index.length, length);
        NDArray eye =
                manager.eye(length)
                        .reshape(1, 1, length, length)
                        .broadcast(batch, inputs.shape.numKvHeads(), length, length)
                        .toType(type, true);
        AttentionSpec spec = withoutNorm(inputs.spec);
        ReferenceAttention reference = new ReferenceAttention(spec, inputs.shape);
        Map<String, NDArray> expected =
                outcome(
                        inputs.inputs,
                        manager.create(weight, full).toType(type, false),
                        in -> reference.attend(in.get("q"), in.get("k"), eye, in).output());
        double[] all = expected.get("rows").toType(DataType.FLOAT64, false).toDoubleArray();
        double[] chosen = new double[chosenWeight.length];
        for (int bh = 0; bh < batch * heads; bh++) {
            for (int i = 0; i < index.length; i++) {
                System.arraycopy(
                        all,
                        (bh * length + index[i]) * length,
                        chosen,
                        (bh * index.length + i) * length,
                        length);
            }
        }
        expected.put("rows", manager.create(chosen, part));
        long[] longs = IntStream.of(index).mapToLong(i -> i).toArray();
        Map<String, NDArray> found =
                outcome(
                        inputs.inputs,
                        manager.create(chosenWeight, part).toType(type, false),
                        in -> {
                            Map<String, NDArray> rest = new TreeMap<>(in);
                            NDArray q = rest.remove("q");
                            NDArray k = rest.remove("k");
                            rest.remove("v");
                            return layer.mixing(q, k, rest, manager.create(longs));
                        });
        assertEquals(expected.keySet(), found.keySet());
        expected.forEach(
                (key, value) -> {
                    double error = AttentionCase.relativeRms(found.get(key), value);
                    assertTrue(error <= tolerance, name + ": " + key + " off by " + error);
                });
    }

    private interface Form {
        NDArray rows(Map<String, NDArray> inputs);
    }

    /** The rows, and the gradients of what has some. */
    private static Map<String, NDArray> outcome(
            Map<String, NDArray> inputs, NDArray weight, Form form) {
        Map<String, NDArray> values = new LinkedHashMap<>();
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            collector.zeroGradients();
            NDArray rows = form.rows(inputs);
            collector.backward(rows.mul(weight).sum());
            values.put("rows", rows.duplicate());
        }
        inputs.forEach(
                (name, x) -> {
                    if (x.hasGradient()) {
                        try (NDArray gradient = x.getGradient()) {
                            values.put("grad." + name, gradient.duplicate());
                            gradient.subi(gradient);
                        }
                    }
                });
        return values;
    }
}
