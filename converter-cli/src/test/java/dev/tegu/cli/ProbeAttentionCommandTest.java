package dev.tegu.cli;

import static dev.tegu.cli.ProbeFolder.assertClose;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.TensorSource;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ProbeAttentionCommandTest {
    private static final long T = 37;
    private static final String SPEC =
            """
            {feature_map: {kind: hedgehog, feature_dim: 8}, gate: none,
             window: {size: 16, shape: sliding, rope: true}, linear_scope: outside_window,
             linear_rope: true, combine: shared_denominator, normalize: true}
            """;

    @TempDir Path dir;
    private ProbeFolder folder;
    private Map<String, TensorSource> tensors;

    @BeforeEach
    void makeTensors() {
        folder = new ProbeFolder(dir);
        tensors = folder.tensors;
        folder.put("q", 1, 2, T, 4);
        folder.put("k", 1, 1, T, 4);
        folder.put("v", 1, 1, T, 4);
        folder.put("cos", T, 4);
        folder.put("sin", T, 4);
        folder.put("feature_map_q.weight", 2, 4, 8);
        folder.put("feature_map_k.weight", 2, 4, 8);
        folder.put("window_factor", 2);
        folder.put("grad_output", 1, 2, T, 4);
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"chunked", "step"})
    void formsAgreeWithTheReferenceGradientsToo(String form) throws IOException {
        Map<String, float[]> expected = probe("reference");

        Map<String, float[]> found = probe(form);

        for (String name : expected.keySet()) {
            assertClose(name, expected.get(name), found.get(name));
        }
        assertEquals(8 + 1 + 2, expected.size(), expected.keySet().toString());
    }

    @Test
    void aWindowThatCoversAllNeedsNoCosAndIgnoresTheFeatureMap() throws IOException {
        tensors.remove("cos");
        tensors.remove("sin");

        Map<String, float[]> found = folder.probe("chunked", SPEC.replace("size: 16", "size: 64"));

        float[] gradient = found.get("grad.feature_map_q.weight");
        assertClose("grad.feature_map_q.weight", new float[gradient.length], gradient);
        assertTrue(found.get("grad.q")[5 * 4] != 0);
    }

    @Test
    void withoutGradOutputThereAreNoGradients() throws IOException {
        tensors.remove("grad_output");

        assertTrue(probe("chunked").keySet().stream().noneMatch(n -> n.startsWith("grad.")));
    }

    @Test
    void aReadyLogGateStandsForTheGate() throws IOException {
        folder.put("g", r -> -0.1, 1, 2, T);
        String gated = "{gate: {kind: scalar, per: head}, window: {size: 5}, combine: sum}";
        folder.put("alpha", 2);
        folder.put("feature_map_q.weight", 2, 4, 4);
        folder.put("feature_map_k.weight", 2, 4, 4);

        Map<String, float[]> expected = folder.probe("reference", gated);
        Map<String, float[]> found = folder.probe("step", gated);

        assertClose("output", expected.get("output"), found.get("output"));
        assertClose("grad.g", expected.get("grad.g"), found.get("grad.g"));
        Map<String, float[]> layer = folder.probe("step", gated.replace("per: head", "per: layer"));
        assertClose("output", expected.get("output"), layer.get("output"));
    }

    @Test
    void aMissingParameterIsNamed() throws IOException {
        tensors.remove("window_factor");

        Invocation run = folder.run("chunked", SPEC);

        assertEquals(4, run.exitCode());
        assertTrue(run.err().contains("in.safetensors: no tensor `window_factor`"), run.err());
    }

    @Test
    void aWrongShapeIsNamed() throws IOException {
        folder.put("v", 1, 1, T, 5);

        Invocation run = folder.run("chunked", SPEC);

        assertEquals(4, run.exitCode());
        assertTrue(run.err().contains("`v`: expected shape (1, 1, 37, 4), found"), run.err());
    }

    @Test
    void aMisspeltSwitchIsABadConfiguration() throws IOException {
        Invocation run = folder.run("chunked", SPEC.replace("sliding", "slidin"));

        assertEquals(3, run.exitCode());
        assertTrue(run.err().contains("window.shape"), run.err());
    }

    private Map<String, float[]> probe(String form) throws IOException {
        return folder.probe(form, SPEC);
    }
}
