package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import dev.tegu.engine.Engines;
import dev.tegu.engine.TorchScript;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Parameters that are stepped together take the steps that each takes alone. */
class AdamWTest {
    private final NDManager manager = Engines.newManager(Device.cpu());
    private final TorchScript script = Scripts.training();

    @AfterEach
    void close() {
        script.close();
        manager.close();
    }

    /** Sizes of which some stand in a row together and some are too large for that. */
    private Map<String, NDArray> parameters() {
        Map<String, NDArray> all = new LinkedHashMap<>();
        int[] sizes = {3, 700_000, 7, 1_200_000, 5, 600_000};
        for (int i = 0; i < sizes.length; i++) {
            NDArray values = manager.arange(0, sizes[i], 1).div((float) sizes[i]).sub(0.4f * i);
            values.setRequiresGradient(true);
            // the third and fifth have a learning rate of their own
            all.put((i == 2 || i == 4 ? "gate." : "feature_map_q.") + i, values);
        }
        return all;
    }

    private static void backward(Iterable<NDArray> parameters) {
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            for (NDArray p : parameters) {
                collector.backward(p.mul(p).mul(p).sum());
            }
        }
    }

    private AdamW adamW(Map<String, NDArray> parameters, double maxGradNorm) {
        TrainingSettings settings =
                Tiny.transfer(
                        "{tokens: 1, learning_rate: 0.01, weight_decay: 0.1, max_grad_norm: "
                                + maxGradNorm
                                + ", learning_rates: {gate: 0.1}}");
        return new AdamW(script, manager, List.of(new ParameterGroup("all", parameters)), settings);
    }

    @Test
    void aRowTakesTheStepsOfItsParts() {
        Map<String, NDArray> together = parameters();
        Map<String, NDArray> apart = parameters();
        try (AdamW all = adamW(together, 0)) {
            for (int step = 0; step < 2; step++) {
                backward(together.values());
                NDArray norms = all.norms(manager, 1);
                assertEquals(1, norms.size());
                all.step(0, step, 1, norms, manager.ones(new Shape(1)), 1);
            }
        }
        apart.forEach(
                (name, parameter) -> {
                    try (AdamW one = adamW(Map.of(name, parameter), 0)) {
                        for (int step = 0; step < 2; step++) {
                            backward(List.of(parameter));
                            NDArray norms = one.norms(manager, 1);
                            one.step(0, step, 1, norms, manager.ones(new Shape(1)), 1);
                        }
                    }
                    assertArrayEquals(
                            parameter.toFloatArray(), together.get(name).toFloatArray(), name);
                    try (NDArray gradient = together.get(name).getGradient()) {
                        assertEquals(0, gradient.abs().sum().getFloat(), "gradients are emptied");
                    }
                });
    }

    @Test
    void aStepThatIsNotLiveChangesNothingAndEmptiesTheGradients() {
        Map<String, NDArray> parameters = parameters();
        Map<String, float[]> before = new LinkedHashMap<>();
        try (AdamW all = adamW(parameters, 1)) {
            backward(parameters.values());
            all.step(0, 0, 1, all.norms(manager, 1), manager.ones(new Shape(1)), 1);
            parameters.forEach((name, p) -> before.put(name, p.toFloatArray()));
            all.moments().forEach((name, m) -> before.put(name, m.toFloatArray()));
            backward(parameters.values());
            try (NDArray gradient = parameters.get("gate.2").getGradient()) {
                gradient.muli(Float.NaN);
            }
            NDArray norms = all.norms(manager, 1);
            assertTrue(Float.isNaN(norms.toFloatArray()[0]));

            all.step(0, 1, 1, norms, manager.zeros(new Shape(1)), 1);

            parameters.forEach((n, p) -> assertArrayEquals(before.get(n), p.toFloatArray(), n));
            all.moments().forEach((n, m) -> assertArrayEquals(before.get(n), m.toFloatArray(), n));
            try (NDArray gradient = parameters.get("gate.2").getGradient()) {
                assertArrayEquals(new float[7], gradient.toFloatArray());
            }
        }
    }
}
