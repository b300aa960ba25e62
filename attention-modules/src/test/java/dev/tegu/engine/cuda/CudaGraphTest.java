package dev.tegu.engine.cuda;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.Device;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What can be seen without a card; recordings are compared on one by {@code GraphOnDevice}. */
class CudaGraphTest {
    @Test
    void aCpuRecordsNothing() {
        IllegalArgumentException fault =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> CudaGraph.record(Device.cpu(), () -> {}));

        assertTrue(fault.getMessage().contains("no CUDA device"), fault.getMessage());
    }

    @Test
    void withoutADriverTheReasonIsTold() {
        String reason = CudaDriver.reasonAgainst().orElse("");
        assumeTrue(!reason.isEmpty(), "there is a driver");

        CudaException fault =
                assertThrows(CudaException.class, () -> CudaGraph.record(Device.gpu(), () -> {}));

        assertTrue(fault.getMessage().contains(reason), fault.getMessage());
        assertTrue(CudaGraph.reasonAgainst(Device.gpu()).isPresent());
    }

    @Test
    void functionsAreLookedForBeforeTheyAreCalled() {
        SharedLibrary torch = LibTorch.open("torch_cpu");

        assertDoesNotThrow(() -> torch.require(List.of("aoti_torch_get_data_ptr")));
        CudaException fault =
                assertThrows(CudaException.class, () -> torch.require(List.of("_ZN2at4cudaEv")));
        assertTrue(fault.getMessage().contains("_ZN2at4cudaEv"), fault.getMessage());
    }
}
