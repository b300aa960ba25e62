package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import dev.tegu.engine.Engines;
import dev.tegu.engine.Numbers;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.RepeatedTest;

final class NumbersTest {
    /** So many that some of them get the memory that the collection freed. */
    private static final int BUFFERS = 2_000;

    /** When a collection frees a buffer is the JVM's affair: often enough in one of these. */
    @RepeatedTest(20)
    void aGarbageCollectionBeforeTheBackwardPassChangesNoGradient() {
        try (NDManager manager = Engines.newManager(Device.cpu())) {
            NDArray x = manager.create(new float[] {1, 2, 3});
            x.setRequiresGradient(true);
            List<ByteBuffer> overwriting = new ArrayList<>();
            try (GradientCollector collector = manager.getEngine().newGradientCollector()) {
                NDArray y = Numbers.times(x, 7).sum();
                System.gc();
                for (int i = 0; i < BUFFERS; i++) {
                    overwriting.add(ByteBuffer.allocateDirect(Float.BYTES).putFloat(0, 1));
                }
                collector.backward(y);
            }

            try (NDArray gradient = x.getGradient()) {
                assertArrayEquals(new float[] {7, 7, 7}, gradient.toFloatArray());
            }
            assertEquals(BUFFERS, overwriting.size());
        }
    }
}
