package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * How far gates that are absorbed into exponential features may close, in float32: the figures of
 * docs/attention.md.
 */
final class AbsorbedGateTest {
    private static final String MASKED =
            "{feature_map: {kind: hedgehog_exp}, gate: {kind: scalar, absorb: false},"
                    + " linear_rope: false}";
    private static final String ABSORBED = MASKED.replace("absorb: false", "absorb: true");

    @TempDir Path dir;

    @ParameterizedTest(name = "chunks of {0}")
    @CsvSource({"32, -5.4, -5.7", "64, -2.7, -2.85", "128, -1.35, -1.43"})
    void theLimitIsWhereHalfAChunkOfGatesLeavesFloat32(int chunk, double within, double beyond)
            throws IOException {
        ProbeFolder folder = new ProbeFolder(dir);
        long length = 2L * chunk + 3;
        for (String name : new String[] {"q", "k", "v", "grad_output"}) {
            folder.put(name, 1, 2, length, 4);
        }
        // |z| is at most 1: four numbers below 1, a quarter of each
        folder.put("feature_map_q.weight", r -> 0.25, 2, 4, 4);
        folder.put("feature_map_k.weight", r -> 0.25, 2, 4, 4);
        String size = "--chunk-size=" + chunk;

        folder.put("g", r -> within, 1, 2, length);
        Map<String, float[]> masked = folder.probe("chunked", MASKED, size);
        ProbeFolder.assertClose(masked, folder.probe("chunked", ABSORBED, size));

        folder.put("g", r -> beyond, 1, 2, length);
        assertTrue(isFinite(folder.probe("chunked", MASKED, size).get("output")));
        assertFalse(isFinite(folder.probe("chunked", ABSORBED, size).get("output")));
    }

    private static boolean isFinite(float[] values) {
        for (float value : values) {
            if (!Float.isFinite(value)) {
                return false;
            }
        }
        return true;
    }
}
