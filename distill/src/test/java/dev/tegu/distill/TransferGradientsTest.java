package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Gradients of the losses of stages 0 and 1 are their slopes, in every kind of parameter. The model
 * computes in float32, so slopes are taken over whole tensors, along the gradient and along a
 * random direction, rather than number by number.
 */
class TransferGradientsTest {
    private static final double STEP = 4e-3;
    private static final Map<String, Set<ParameterKind>> SEEN = new LinkedHashMap<>();

    @ParameterizedTest(name = "{0} of {1}")
    @CsvSource({
        "outputs, lolcats",
        "outputs, lizard",
        "outputs, gla",
        "outputs, hedgehog",
        "weights, lolcats",
        "weights, lizard",
        "weights, hedgehog",
        "both, lizard",
        "matrices, lolcats",
        "matrices, lizard",
        "matrices, gla",
        "matrices, hedgehog"
    })
    void gradientsAreSlopes(String compares, String preset) throws IOException {
        try (DecoderModel model = Tiny.student(1, Tiny.method(preset, "[]"));
                TorchScript script = Scripts.training();
                NDManager scope = model.manager().newSubManager()) {
            TinyModels.disturb(model);
            Objective objective = Tiny.apart(compares, model, "[]");
            Map<String, NDArray> parameters = objective.groups().get(0).parameters();
            parameters.values().forEach(p -> p.setRequiresGradient(true));
            NDArray ids = Tiny.ids(scope, 2);
            TrainingBatch batch = TrainingBatch.of(ids, ids);

            objective.backward(batch, StepContext.first());
            Map<String, float[]> gradients = new LinkedHashMap<>();
            parameters.forEach(
                    (name, parameter) -> {
                        try (NDArray g = parameter.getGradient()) {
                            gradients.put(name, g.toFloatArray());
                        }
                    });

            SplittableRandom random = new SplittableRandom(8);
            for (Map.Entry<String, NDArray> entry : parameters.entrySet()) {
                SEEN.computeIfAbsent(compares, key -> EnumSet.noneOf(ParameterKind.class))
                        .add(ParameterKind.of(entry.getKey()));
                NDArray parameter = entry.getValue();
                float[] values = parameter.toFloatArray();
                float[] gradient = gradients.get(entry.getKey());
                double length = Math.sqrt(dot(gradient, gradient));
                assertTrue(length > 0, entry.getKey());
                float[] along = new float[values.length];
                float[] across = new float[values.length];
                for (int i = 0; i < values.length; i++) {
                    along[i] = (float) (gradient[i] / length);
                    across[i] = random.nextBoolean() ? 1 : -1;
                }
                double size = Math.sqrt(values.length);
                for (int i = 0; i < values.length; i++) {
                    across[i] /= (float) size;
                }
                for (float[] direction : new float[][] {along, across}) {
                    double[] losses = new double[2];
                    for (int side = 0; side < 2; side++) {
                        float[] moved = values.clone();
                        for (int i = 0; i < moved.length; i++) {
                            moved[i] += (float) ((side == 0 ? STEP : -STEP) * direction[i]);
                        }
                        set(script, parameter, moved);
                        // the queries that the gradient was taken of
                        losses[side] =
                                objective.backward(batch, StepContext.first()).read().total();
                    }
                    set(script, parameter, values);
                    double slope = (losses[0] - losses[1]) / (2 * STEP);
                    assertEquals(slope, dot(gradient, direction), 0.02 * length, entry.getKey());
                }
            }
        }
    }

    @AfterAll
    static void everyKindWasThere() {
        EnumSet<ParameterKind> all =
                EnumSet.complementOf(EnumSet.of(ParameterKind.LORA, ParameterKind.WEIGHT));
        assertEquals(all, SEEN.get("outputs"));
        // a norm behind the heads stands with signed features only, which have no cross-entropy,
        // and is no part of a matrix
        all.remove(ParameterKind.OUTPUT_NORM);
        assertEquals(all, SEEN.get("weights"));
        assertEquals(all, SEEN.get("matrices"));
    }

    private static double dot(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }

    private static void set(TorchScript script, NDArray parameter, float[] values) {
        boolean learns = parameter.hasGradient();
        parameter.setRequiresGradient(false);
        try (NDArray stored = parameter.getManager().create(values, parameter.getShape())) {
            script.call("copy", new TorchScript.Arguments().add(stored).add(parameter));
        }
        parameter.setRequiresGradient(learns);
    }
}
