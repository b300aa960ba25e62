package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
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
    private final Map<String, TensorSource> tensors = new TreeMap<>();

    @BeforeEach
    void makeTensors() {
        put("q", 1, 2, T, 4);
        put("k", 1, 1, T, 4);
        put("v", 1, 1, T, 4);
        put("cos", T, 4);
        put("sin", T, 4);
        put("feature_map_q.weight", 2, 4, 8);
        put("feature_map_k.weight", 2, 4, 8);
        put("window_factor", 2);
        put("grad_output", 1, 2, T, 4);
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

        Map<String, float[]> found = probe("chunked", SPEC.replace("size: 16", "size: 64"));

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
        put("g", 1, 2, T);
        tensors.put("g", negative(tensors.get("g")));
        String gated = "{gate: {kind: scalar, per: head}, window: {size: 5}, combine: sum}";
        put("alpha", 2);
        put("feature_map_q.weight", 2, 4, 4);
        put("feature_map_k.weight", 2, 4, 4);

        Map<String, float[]> expected = probe("reference", gated);
        Map<String, float[]> found = probe("step", gated);

        assertClose("output", expected.get("output"), found.get("output"));
        assertClose("grad.g", expected.get("grad.g"), found.get("grad.g"));
        Map<String, float[]> layer = probe("step", gated.replace("per: head", "per: layer"));
        assertClose("output", expected.get("output"), layer.get("output"));
    }

    @Test
    void aMissingParameterIsNamed() throws IOException {
        tensors.remove("window_factor");

        Invocation run = run("chunked", SPEC);

        assertEquals(4, run.exitCode());
        assertTrue(run.err().contains("in.safetensors: no tensor `window_factor`"), run.err());
    }

    @Test
    void aWrongShapeIsNamed() throws IOException {
        put("v", 1, 1, T, 5);

        Invocation run = run("chunked", SPEC);

        assertEquals(4, run.exitCode());
        assertTrue(run.err().contains("`v`: expected shape (1, 1, 37, 4), found"), run.err());
    }

    @Test
    void aMisspeltSwitchIsABadConfiguration() throws IOException {
        Invocation run = run("chunked", SPEC.replace("sliding", "slidin"));

        assertEquals(3, run.exitCode());
        assertTrue(run.err().contains("window.shape"), run.err());
    }

    private Map<String, float[]> probe(String form) throws IOException {
        return probe(form, SPEC);
    }

    private Map<String, float[]> probe(String form, String spec) throws IOException {
        Invocation run = run(form, spec);
        assertEquals("", run.err());
        assertEquals(0, run.exitCode());
        Map<String, float[]> found = new TreeMap<>();
        try (SafetensorsFile file = SafetensorsFile.open(dir.resolve("out.safetensors"))) {
            for (String name : file.tensors().keySet()) {
                if (file.info(name).dtype() == DType.F32) {
                    FloatBuffer values =
                            file.map(name).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
                    float[] copy = new float[values.remaining()];
                    values.get(copy);
                    found.put(name, copy);
                }
            }
        }
        return found;
    }

    private Invocation run(String form, String spec) throws IOException {
        Path in = dir.resolve("in.safetensors");
        Files.deleteIfExists(in);
        SafetensorsWriter.write(in, tensors);
        Files.writeString(dir.resolve("spec.yaml"), spec);
        return Invocation.of(
                "probe",
                "attention",
                "--spec",
                dir.resolve("spec.yaml").toString(),
                "--tensors",
                in.toString(),
                "--output",
                dir.resolve("out.safetensors").toString(),
                "--form",
                form,
                "--device",
                "cpu");
    }

    private void put(String name, long... shape) {
        SplittableRandom random = new SplittableRandom(name.hashCode());
        int size = 1;
        for (long dimension : shape) {
            size *= (int) dimension;
        }
        ByteBuffer bytes = ByteBuffer.allocate(4 * size).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < size; i++) {
            bytes.putFloat((float) (2 * random.nextDouble() - 1));
        }
        bytes.flip();
        List<Long> dimensions = Arrays.stream(shape).boxed().toList();
        tensors.put(name, TensorSource.of(DType.F32, dimensions, bytes::duplicate));
    }

    /** Log-gates are negative: the same shape, every value -0.1. */
    private static TensorSource negative(TensorSource source) {
        ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(source.byteLength()));
        bytes.order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            bytes.putFloat(-0.1f);
        }
        bytes.flip();
        return TensorSource.of(DType.F32, source.shape(), bytes::duplicate);
    }

    private static void assertClose(String name, float[] expected, float[] found) {
        assertEquals(expected.length, found.length, name);
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], found[i], 1e-4, name + " at " + i);
        }
    }
}
