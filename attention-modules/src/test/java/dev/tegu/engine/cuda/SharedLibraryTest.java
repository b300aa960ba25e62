package dev.tegu.engine.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class SharedLibraryTest {
    @Test
    void aMissingLibraryIsNamedInOneLine() {
        CudaException fault =
                assertThrows(
                        CudaException.class,
                        () -> SharedLibrary.open(List.of("libnone.so.7", "libnone.so.8")));

        String message = fault.getMessage();
        assertTrue(message.startsWith("cannot be loaded: "), message);
        assertTrue(message.contains("libnone.so.7") && message.contains("libnone.so.8"), message);
        assertEquals(1, message.lines().count(), message);
    }

    @Test
    void aMissingFunctionIsNamed() {
        SharedLibrary torch = LibTorch.open("torch_cpu");

        CudaException fault =
                assertThrows(CudaException.class, () -> torch.call("aoti_torch_get_nothing"));

        assertTrue(fault.getMessage().contains("aoti_torch_get_nothing"), fault.getMessage());
    }
}
