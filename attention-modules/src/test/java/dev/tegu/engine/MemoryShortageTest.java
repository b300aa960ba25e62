package dev.tegu.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.EngineException;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

final class MemoryShortageTest {
    private static final String CARD =
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 1 has a total capacity of 79.10"
                    + " GiB of which 512.50 MiB is free. Process 7 has 78.60 GiB memory in use. Of"
                    + " the allocated memory 70.00 GiB is allocated by PyTorch";

    @Test
    void aCardsMessageIsReadThroughItsCauses() {
        Exception thrown = new IllegalStateException("layer", new EngineException(CARD));

        MemoryShortage found = MemoryShortage.in(thrown).orElseThrow();

        assertEquals("cuda:1", found.place());
        assertEquals(OptionalLong.of(2L << 30), found.asked());
        assertEquals(OptionalLong.of((long) (512.5 * (1 << 20))), found.free());
        assertEquals(
                found.total().getAsLong() - found.free().getAsLong() + (2L << 30),
                found.needed().getAsLong());
        assertEquals(
                "out of memory on cuda:1: 2.1 GB asked for, 537.4 MB of 84.9 GB free",
                found.describe());
    }

    @Test
    void theHostsMessageHasWhatWasAskedFor() {
        MemoryShortage found =
                MemoryShortage.in(
                                new EngineException(
                                        "[enforce fail at alloc_cpu.cpp:119] . DefaultCPUAllocator:"
                                                + " can't allocate memory: you tried to allocate"
                                                + " 8589934592 bytes. Error code 12"))
                        .orElseThrow();

        assertEquals("out of memory on cpu: 8.6 GB asked for", found.describe());
        assertTrue(found.needed().isEmpty());
    }

    @Test
    void aLibraryWithoutMemoryHasNoNumbers() {
        String message = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`";

        assertEquals(
                "out of memory on cuda",
                MemoryShortage.in(new EngineException(message)).orElseThrow().describe());
    }

    @Test
    void otherErrorsAreNone() {
        assertTrue(MemoryShortage.in(new EngineException("shape mismatch")).isEmpty());
        assertTrue(MemoryShortage.in(new IllegalStateException()).isEmpty());
    }
}
