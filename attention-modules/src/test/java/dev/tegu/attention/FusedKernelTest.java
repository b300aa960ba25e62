package dev.tegu.attention;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.Device;
import dev.tegu.engine.Engines;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The CUDA kernel is the script: outputs and every gradient, on the same half-precision inputs. */
@Tag("gpu")
class FusedKernelTest {
    static List<KernelCase> cases() {
        return KernelCase.all();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void theKernelIsTheScript(KernelCase variant) {
        Device device = Engines.device("auto");
        assumeTrue(device.isGpu(), "there is no CUDA device");

        variant.distances(device)
                .forEach((length, found) -> KernelCheck.describe("T" + length, found));
    }

    @Test
    void theSelfCheckSaysWhatItCompared() {
        Device device = Engines.device("auto");
        assumeTrue(device.isGpu(), "there is no CUDA device");

        String found = FusedAttention.selfCheck(device);

        assertTrue(found.startsWith("lizard: output "), found);
        assertTrue(found.contains("; lolcats: output "), found);
        assertTrue(found.contains("grad.window_factor"), found);
    }
}
