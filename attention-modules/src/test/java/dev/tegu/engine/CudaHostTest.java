package dev.tegu.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.EngineException;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

final class CudaHostTest {
    private static final OptionalInt NONE = OptionalInt.empty();
    private static final OptionalInt NEW = OptionalInt.of(12_080);
    private static final OptionalInt OLD = OptionalInt.of(11_040);

    private static String reason(CudaHost host) {
        return host.reasonAgainst("/lib", true).orElse("");
    }

    @Test
    void eachObstacleIsNamed() {
        CudaHost whole = new CudaHost(NEW, NEW, 0, 1);

        assertEquals("", reason(whole));
        assertTrue(
                whole.reasonAgainst("/lib", false)
                        .orElseThrow()
                        .startsWith("the libtorch in use (/lib) is the CPU build"));
        assertTrue(reason(new CudaHost(NONE, NEW, 35, 0)).startsWith("NVIDIA's driver"));
        assertTrue(reason(new CudaHost(NEW, NONE, 0, 0)).startsWith("CUDA's runtime (libcudart"));
        assertEquals(
                "the driver is for CUDA 11.4, the libraries are of CUDA 12.8: update the driver",
                reason(new CudaHost(OLD, NEW, 35, 0)));
        assertTrue(reason(new CudaHost(NEW, NEW, 100, 0)).startsWith("the driver sees no card"));
        assertTrue(reason(new CudaHost(NEW, NEW, 3, 0)).contains("error 3"));
    }

    @Test
    void aDeviceThatIsNotThereIsRefusedWithTheReason() {
        DeviceException e = assertThrows(DeviceException.class, () -> Engines.device("cuda:99"));

        assertTrue(e.getMessage().startsWith("device `cuda:99`: "), e.getMessage());
    }

    @Test
    void librariesThatDoNotLoadAreToldWithTheInnermostCause() {
        Throwable thrown =
                new EngineException(
                        "Failed to load PyTorch native library",
                        new UnsatisfiedLinkError("libtorch.so: undefined symbol: _ZN2at4_ops"));

        String named = Engines.notLoaded(thrown, "/opt/libtorch/lib").getMessage();

        assertTrue(named.contains("undefined symbol: _ZN2at4_ops); they must be libtorch 2.7.1"));
        assertTrue(named.contains("PYTORCH_LIBRARY_PATH=/opt/libtorch/lib"), named);
        assertTrue(Engines.notLoaded(thrown, null).getMessage().contains("TEGU_CUDA=1"));
    }
}
