package dev.tegu.cli.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.junit.jupiter.api.Test;

final class CardMemoryTest {
    private static final long MB = 1_000_000;

    private static CardMemory memory(long freeBytes) {
        return new CardMemory(
                "cuda:0", "H", 80_000 * MB, freeBytes, 2_500 * MB, 500 * MB, 10_000 * MB);
    }

    @Test
    void whatIsNeitherWeightsNorTrainedIsActivations() {
        ObjectNode json = new JsonMapper().createObjectNode();

        memory(79_000 * MB).addTo(json);

        assertEquals(7_000 * MB, json.path("card_memory_bytes").path("activations").asLong());
        assertEquals(
                "memory on cuda:0 (H): about 10,000 MB at its peak: 2,500 MB weights, 500 MB"
                        + " trained state with gradients and moments, 7,000 MB activations and what"
                        + " libtorch keeps for the next step; 79,000 MB of 80,000 MB were free",
                memory(79_000 * MB).line());
    }

    @Test
    void whatDoesNotFitIsSaid() {
        assertTrue(memory(9_000 * MB).line().endsWith(": it will not fit"));
    }
}
