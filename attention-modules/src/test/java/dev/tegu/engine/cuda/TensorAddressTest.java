package dev.tegu.engine.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.sun.jna.Pointer;
import dev.tegu.engine.Engines;
import dev.tegu.engine.TorchScript;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TensorAddressTest {
    private static final int FLOAT32 = 6;
    private static final int FLOAT64 = 7;

    @Test
    void elementsAreReadAndWrittenWhereTheTensorHoldsThem() {
        try (NDManager manager = Engines.newManager(Device.cpu())) {
            NDArray array = manager.create(new float[] {1, 2, 3, 4, 5, 6}, new Shape(2, 3));
            Pointer memory = new Pointer(TensorAddress.of(array));

            assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, memory.getFloatArray(0, 6));
            memory.setFloat(4L * Float.BYTES, -7);

            assertEquals(-7, array.getFloat(1, 1));
        }
    }

    @Test
    void aViewBeginsAtItsOwnFirstElementAndNothingBeginsNowhere() {
        try (NDManager manager = Engines.newManager(Device.cpu())) {
            NDArray array = manager.arange(8f);

            assertEquals(
                    TensorAddress.of(array) + 3 * Float.BYTES, TensorAddress.of(array.get("3:")));
            assertEquals(0, TensorAddress.of(manager.zeros(new Shape(0))));
        }
    }

    @Test
    void typesHaveLibtorchsNumbers() {
        try (NDManager manager = Engines.newManager(Device.cpu());
                TorchScript half =
                        TorchScript.load(
                                TensorAddressTest.class, "narrow.py", Map.of("dtype", 15L))) {
            NDArray wide = manager.arange(2f);
            NDArray narrow = half.call("narrow", new TorchScript.Arguments().add(wide)).get(0);

            assertEquals(FLOAT32, TensorAddress.type(wide));
            assertEquals(FLOAT64, TensorAddress.type(wide.toType(DataType.FLOAT64, false)));
            assertEquals(15, TensorAddress.type(narrow));
        }
    }
}
