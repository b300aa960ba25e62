package dev.tegu.engine.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The compiler needs no card, so this runs wherever NVRTC is. */
class NvrtcTest {
    private static final String KERNEL =
            """
            extern "C" __global__ void twice(float *x, int n) {
              int i = blockIdx.x * blockDim.x + threadIdx.x;
              if (i < n) x[i] *= FACTOR;
            }
            """;

    private static final byte[] ELF = {0x7f, 'E', 'L', 'F'};

    @BeforeEach
    void needsTheCompiler() {
        String reason = Nvrtc.reasonAgainst().orElse("");
        assumeTrue(reason.isEmpty(), reason);
    }

    private static byte[] compile(int capability, Map<String, Integer> defines) {
        return Nvrtc.get().compile("twice", KERNEL, capability, new TreeMap<>(defines));
    }

    @Test
    void sourceBecomesMachineCodeOfTheArchitecture() {
        byte[] ampere = compile(80, Map.of("FACTOR", 2));
        byte[] hopper = compile(90, Map.of("FACTOR", 2));

        assertArrayEquals(ELF, Arrays.copyOf(hopper, ELF.length));
        assertNotEquals(Arrays.hashCode(ampere), Arrays.hashCode(hopper));
        assertTrue(Nvrtc.get().version().matches("[0-9]+\\.[0-9]+"));
    }

    @Test
    void aFaultInTheSourceIsToldWithItsLine() {
        CudaException fault = assertThrows(CudaException.class, () -> compile(90, Map.of()));

        assertTrue(
                fault.getMessage()
                        .startsWith(
                                "twice: nvrtcCompileProgram failed with NVRTC_ERROR_COMPILATION"
                                        + " (6)\ntwice(3): error: identifier \"FACTOR\" is"
                                        + " undefined"),
                fault.getMessage());
    }

    @Test
    void anUnknownArchitectureIsAnError() {
        CudaException fault =
                assertThrows(CudaException.class, () -> compile(1, Map.of("FACTOR", 2)));

        assertTrue(fault.getMessage().contains("gpu-architecture"), fault.getMessage());
    }
}
