package dev.tegu.attention;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import dev.tegu.engine.Engines;

/** Where the comparisons run: {@code -Dtegu.test.device=cuda} takes them to a GPU. */
final class TestDevice {
    private TestDevice() {}

    static NDManager newManager() {
        Device device = Engines.device(System.getProperty("tegu.test.device", "cpu"));
        return Engines.newManager(device);
    }
}
