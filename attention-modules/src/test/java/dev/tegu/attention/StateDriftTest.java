package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import dev.tegu.engine.Engines;
import dev.tegu.engine.TorchScript;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What rounding does to a state over 10,000 steps. */
class StateDriftTest {
    private static final int W = 8;
    private static final AttentionShape SHAPE = new AttentionShape(2, 1, 4, 6);

    /**
     * Rows that read the same tokens: one in float64, or two in float32, of which the second keeps
     * its sums as bfloat16 holds them.
     */
    private static final class Run {
        private final DataType type;
        private final int rows;
        private final NDManager manager;
        private final Map<String, NDArray> parameters = new LinkedHashMap<>();
        private AttentionState state;

        Run(NDManager parent, AttentionSpec spec, DataType type, int rows) {
            this.type = type;
            this.rows = rows;
            this.manager = parent.newSubManager();
            new AttentionCase(manager, spec, SHAPE, 1)
                    .inputs.forEach(
                            (name, x) -> {
                                if (!List.of("q", "k", "v", "x", "cos", "sin").contains(name)) {
                                    // as it is in float32, in both types
                                    parameters.put(name, x.toType(type, true).stopGradient());
                                }
                            });
        }

        /** The outputs, row by row. */
        double[][] step(LinearAttention layer, TorchScript half, long seed) {
            SplittableRandom random = new SplittableRandom(seed);
            try (NDManager scope = manager.newSubManager()) {
                NDArray q = token(scope, random, rows, SHAPE.numHeads(), 1, SHAPE.headDim());
                NDArray k = token(scope, random, rows, SHAPE.numKvHeads(), 1, SHAPE.headDim());
                NDArray v = token(scope, random, rows, SHAPE.numKvHeads(), 1, SHAPE.headDim());
                Map<String, NDArray> inputs = new LinkedHashMap<>(parameters);
                if (layer.spec().gate().readsInput()) {
                    inputs.put("x", token(scope, random, rows, 1, SHAPE.hiddenSize()));
                }
                if (state == null) {
                    state = layer.emptyState(q, k, v);
                }
                LinearAttention.Result result = layer.step(q, k, v, inputs, state);
                AttentionState after = rows > 1 ? round(half, result.state()) : result.state();
                after.attach(manager);
                state.close();
                state = after;
                return rows(result.output());
            }
        }

        /** Values that float32 holds exactly, keys and values off zero as in real models. */
        private NDArray token(NDManager scope, SplittableRandom random, long... dims) {
            Shape shape = new Shape(dims);
            double[] values = new double[(int) shape.size()];
            int row = values.length / rows;
            for (int i = 0; i < values.length; i++) {
                values[i] = i < row ? (float) random.nextDouble(-1, 1.5) : values[i - row];
            }
            NDArray wide = scope.create(values, shape);
            return type == DataType.FLOAT64 ? wide : wide.toType(type, false);
        }

        private static AttentionState round(TorchScript half, AttentionState exact) {
            Map<String, NDArray> tensors = new LinkedHashMap<>(exact.tensors());
            List<String> names = List.of("kv_state", "k_sum");
            NDList rounded =
                    half.call(
                            "rounded",
                            new TorchScript.Arguments()
                                    .add("all", names.stream().map(tensors::get).toList()));
            for (int i = 0; i < names.size(); i++) {
                tensors.put(names.get(i), rounded.get(i));
            }
            return AttentionState.of(tensors);
        }

        double[][] sums() {
            return rows(state.tensors().get("kv_state"));
        }

        private double[][] rows(NDArray array) {
            double[] all = array.toType(DataType.FLOAT64, true).toDoubleArray();
            int row = all.length / rows;
            return rows == 1
                    ? new double[][] {all}
                    : new double[][] {
                        Arrays.copyOf(all, row), Arrays.copyOfRange(all, row, all.length)
                    };
        }
    }

    private static double relativeRms(double[] found, double[] exact) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < exact.length; i++) {
            difference += (found[i] - exact[i]) * (found[i] - exact[i]);
            size += exact[i] * exact[i];
        }
        return Math.sqrt(difference / size);
    }

    /** Largest errors of outputs since the last report and of the state: float32, bfloat16. */
    private record Drift(int tokens, double[] output, double[] state) {}

    @ParameterizedTest
    @CsvSource({"lolcats, 10000, 1e-2", "gla, 2000, 1e-3"})
    @DisplayName("14: 10,000 steps: a float32 state stays within rounding of float64, bfloat16 not")
    void manySteps(String preset, int steps, double bfloat16AtLeast) {
        AttentionSpec spec = AttentionCase.spec(preset, W);
        try (NDManager manager = Engines.newManager(Device.cpu());
                TorchScript half =
                        TorchScript.load(StateDriftTest.class, "half.py", Map.of("dtype", 15L));
                LinearAttention layer = new LinearAttention(spec, SHAPE, 4)) {
            Run exact = new Run(manager, spec, DataType.FLOAT64, 1);
            Run float32 = new Run(manager, spec, DataType.FLOAT32, 2);
            List<Drift> drifts = new ArrayList<>();
            double[] output = new double[2];
            long bytes = 0;
            for (int t = 1; t <= steps; t++) {
                double[] expected = exact.step(layer, half, t)[0];
                double[][] found = float32.step(layer, half, t);
                for (int i = 0; i < 2; i++) {
                    output[i] = Math.max(output[i], relativeRms(found[i], expected));
                }
                if (t % (steps / 5) == 0 || t == 100) {
                    double[] sums = exact.sums()[0];
                    double[][] rows = float32.sums();
                    double[] state = {relativeRms(rows[0], sums), relativeRms(rows[1], sums)};
                    drifts.add(new Drift(t, output.clone(), state));
                    output = new double[2];
                }
                if (t <= W + 1) {
                    bytes = float32.state.sizeBytes();
                }
                assertEquals(bytes, float32.state.sizeBytes());
            }
            for (Drift drift : drifts) {
                System.out.printf(
                        "%s after %,d tokens: float32 output %.1e, state %.1e;"
                                + " bfloat16 state: output %.1e, state %.1e%n",
                        preset,
                        drift.tokens(),
                        drift.output()[0],
                        drift.state()[0],
                        drift.output()[1],
                        drift.state()[1]);
                assertTrue(drift.output()[0] <= 1e-5, drift.tokens() + " tokens: output");
                assertTrue(drift.state()[0] <= 1e-5, drift.tokens() + " tokens: state");
            }
            Drift last = drifts.get(drifts.size() - 1);
            assertTrue(last.state()[1] >= bfloat16AtLeast, "bfloat16 is worse");
            assertTrue(last.state()[1] >= 100 * last.state()[0], "bfloat16 is worse");
        }
    }
}
