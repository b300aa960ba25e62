package dev.tegu.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TorchScriptTest {
    private static final Map<String, Object> CONSTANTS =
            Map.of("factor", 2.0, "rounds", 3L, "kind", "relu");

    @Test
    void constantsDictionariesAndGradientsReachTheScript() {
        try (NDManager manager = Engines.newManager(Device.cpu());
                TorchScript script = TorchScript.load(getClass(), "sample.py", CONSTANTS)) {
            NDArray x = manager.create(new float[] {1, -2, 3, 0, 1, 2, 1, 1, 1}, new Shape(3, 3));
            NDArray bias = manager.create(new float[] {1, 1, 1});
            bias.setRequiresGradient(true);

            NDList out;
            assertFalse(Engines.isRecording());
            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                assertTrue(Engines.isRecording());
                out =
                        script.call(
                                "scaled",
                                new TorchScript.Arguments().add(x).add("p", Map.of("bias", bias)));
                collector.backward(out.get(0).sum());
            }
            assertFalse(Engines.isRecording());

            assertArrayEquals(
                    new float[] {4, 0, 8, 2, 4, 6, 4, 4, 4}, out.get(0).toFloatArray(), 0f);
            try (NDArray gradient = bias.getGradient()) {
                assertArrayEquals(new float[] {3, 2, 3}, gradient.toFloatArray(), 0f);
            }
            assertEquals(manager, out.get(1).getManager());
        }
    }

    @Test
    void anUnknownDeviceIsRefusedByName() {
        DeviceException e = assertThrows(DeviceException.class, () -> Engines.device("gpu7"));

        assertTrue(e.getMessage().contains("`gpu7`: unknown"), e.getMessage());
        assertThrows(DeviceException.class, () -> Engines.device("cuda:99"));
    }
}
