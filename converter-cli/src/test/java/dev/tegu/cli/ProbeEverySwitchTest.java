package dev.tegu.cli;

import static dev.tegu.cli.ProbeFolder.assertClose;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionShape;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.DType;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every preset and every kind of input through {@code probe attention}. */
final class ProbeEverySwitchTest {
    private static final long BATCH = 2;
    private static final long T = 19;
    private static final AttentionShape SHAPE = new AttentionShape(2, 1, 4, 6);
    private static final String GATED =
            "{gate: scalar, feature_map: elu, window: {size: 3}, linear_scope: all,"
                    + " linear_rope: false, combine: sum}";

    @TempDir Path dir;
    private ProbeFolder folder;

    @BeforeEach
    void makeFolder() {
        folder = new ProbeFolder(dir);
    }

    static List<String> presets() {
        return AttentionPresets.NAMES;
    }

    /** A preset whose windows are short enough for the text to leave them. */
    private static String small(String preset) {
        ConfigNode node = AttentionPresets.node(preset);
        AttentionSpec spec = AttentionPresets.spec(preset);
        if (spec.window().size() > 0) {
            node = node.with("window.size", "3", "test");
        }
        if (spec.window().keepFirst() > 0) {
            node = node.with("window.keep_first", "2", "test");
        }
        return node.toYaml();
    }

    private void putAll(String yaml) {
        AttentionSpec spec = ConfigBinder.bind(ConfigNode.parse(yaml, "test"), AttentionSpec.class);
        folder.putAll(spec, SHAPE, BATCH, T);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("presets")
    void theThreeFormsOfAPresetAgreeOutputStateAndGradients(String preset) throws IOException {
        String yaml = small(preset);
        putAll(yaml);

        Map<String, float[]> reference = folder.probe("reference", yaml);

        assertTrue(reference.containsKey("grad.q"), reference.keySet().toString());
        assertClose(reference, folder.probe("chunked", yaml, "--chunk-size=4"));
        assertClose(reference, folder.probe("step", yaml));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("presets")
    void halfPrecisionIsReadRoundedToAndComparedWithinTwoPercent(String preset) throws IOException {
        String yaml = small(preset);
        putAll(yaml);
        folder.cutToBfloat16("q", "k", "v", "x", "grad_output");

        Map<String, float[]> reference = folder.probe("reference", yaml);

        for (float value : reference.get("output")) {
            assertEquals(0, Float.floatToRawIntBits(value) & 0xffff, "not a bfloat16");
        }
        assertClose(reference, folder.probe("chunked", yaml, "--chunk-size=4"), 2e-2);
        assertClose(reference, folder.probe("step", yaml), 2e-2);
    }

    @Test
    void queriesAndKeysOfDifferentTypesAreRefused() throws IOException {
        putAll(GATED);
        folder.cutToBfloat16("k");
        Invocation run = folder.run("chunked", GATED);

        assertEquals(4, run.exitCode());
        assertTrue(run.err().contains("`k`: found BF16, expected F32 as `q` is"), run.err());
    }

    @Test
    void aPresetIsNamedWithoutAFile() throws IOException {
        putAll(AttentionPresets.text("gla"));

        Map<String, float[]> byName = folder.probe("chunked", "gla");

        assertClose(byName, folder.probe("chunked", AttentionPresets.text("gla")));
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"lolcats", "lolcats-terrace", "lizard", "gla", "window-sinks"})
    void paddingAndDocumentsAreSeenByEveryForm(String preset) throws IOException {
        String yaml = small(preset);
        putAll(yaml);
        long[] document = new long[(int) (BATCH * T)];
        byte[] mask = new byte[(int) (BATCH * T)];
        for (int i = 0; i < document.length; i++) {
            document[i] = i % T < 8 ? 3 : 5;
            mask[i] = (byte) (i < T && i < 2 || i == T + 6 || i == 2 * T - 1 ? 0 : 1);
        }
        folder.putLongs("document", document, BATCH, T);
        folder.putBytes("mask", DType.BOOL, mask, BATCH, T);

        Map<String, float[]> reference = folder.probe("reference", yaml);

        assertClose(reference, folder.probe("chunked", yaml, "--chunk-size=4"));
        assertClose(reference, folder.probe("step", yaml));
        assertFalse(reference.containsKey("grad.mask"));
        assertFalse(reference.containsKey("grad.document"));
        assertTrue(reference.get("output")[0] == 0);
        assertTrue(reference.get("output")[2 * SHAPE.headDim()] != 0);
    }

    @Test
    void aMaskMayBeOfAnyType() throws IOException {
        putAll(GATED);
        folder.put("mask", r -> r < 0 ? 0 : 0.5, BATCH, T);
        Map<String, float[]> floats = folder.probe("chunked", GATED);
        float[] output = floats.get("output");
        byte[] bytes = new byte[(int) (BATCH * T)];
        long[] longs = new long[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            int row = i / (int) T;
            int first = (int) ((row * (long) SHAPE.numHeads() * T + i % T) * SHAPE.headDim());
            longs[i] = output[first] == 0 ? 0 : -7;
            bytes[i] = (byte) (output[first] == 0 ? 0 : 1);
        }

        folder.putLongs("mask", longs, BATCH, T);
        assertClose(floats, folder.probe("chunked", GATED));
        folder.putBytes("mask", DType.U8, bytes, BATCH, T);
        assertClose(floats, folder.probe("step", GATED));
    }

    @Test
    void eachRowMayHavePositionsOfItsOwn() throws IOException {
        String yaml = small("lolcats");
        putAll(yaml);
        folder.put("cos", BATCH, T, SHAPE.headDim());
        folder.put("sin", BATCH, T, SHAPE.headDim());

        Map<String, float[]> reference = folder.probe("reference", yaml);

        assertClose(reference, folder.probe("chunked", yaml));
        assertClose(reference, folder.probe("step", yaml));
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"2, 1, 19", "2, 2, 19", "2, 1, 19, 4", "2, 2, 19, 4"})
    void aReadyLogGateOfEveryShapeStandsForEveryGate(String shape) throws IOException {
        long[] dimensions =
                java.util.Arrays.stream(shape.split(", ")).mapToLong(Long::parseLong).toArray();
        for (String gate : List.of("scalar", "{kind: low_rank_vector}", "key_pool", "constant")) {
            String yaml = GATED.replace("gate: scalar", "gate: " + gate);
            putAll(yaml);
            folder.tensors.keySet().removeIf(n -> n.equals("x") || n.startsWith("gate."));
            folder.put("g", r -> -1 - r, dimensions);

            Map<String, float[]> reference = folder.probe("reference", yaml);

            assertClose(reference, folder.probe("chunked", yaml, "--chunk-size=5"));
            assertClose(reference, folder.probe("step", yaml));
            assertTrue(reference.containsKey("grad.g"));
        }
    }

    @Test
    void aConstantGateTakesGivenDecaysOrThoseOfTheOnlyLayer() throws IOException {
        String yaml = small("retnet");
        putAll(yaml);
        Map<String, float[]> own = folder.probe("chunked", yaml);
        assertFalse(own.containsKey("grad.gate.log_decay"));

        // RetNet's heads 0 and 1: 1 - 2^-5 and 1 - 2^-6
        double[] logs = {Math.log(31 / 32.0), Math.log(63 / 64.0)};
        int[] next = {0};
        folder.put("gate.log_decay", r -> logs[next[0]++], SHAPE.numHeads());
        Map<String, float[]> given = folder.probe("chunked", yaml);

        assertClose(own, given);
        assertTrue(given.containsKey("grad.gate.log_decay"));
        folder.put("gate.log_decay", r -> -3, SHAPE.numHeads());
        Map<String, float[]> fast = folder.probe("chunked", yaml);
        assertTrue(Math.abs(fast.get("output")[40] - own.get("output")[40]) > 1e-3);
    }

    @Test
    void everyFaultOfAFileIsToldInOneLine() throws IOException {
        putAll(GATED);
        folder.tensors.remove("alpha");
        folder.put("v", BATCH, 1, T + 1, 4);
        folder.put("sin", T, 6);
        folder.put("mask", BATCH, 3);

        Invocation run = folder.run("chunked", GATED);

        assertEquals(4, run.exitCode());
        assertEquals(1, run.err().lines().count(), run.err());
        assertTrue(run.err().contains("`v`: expected shape (2, 1, 19, 4), found (2, 1, 20, 4)"));
        assertTrue(
                run.err().contains("`sin`: expected shape (19, 4) or (2, 19, 4), found (19, 6)"));
        assertTrue(run.err().contains("`mask`: expected shape (2, 19), found (2, 3)"));
        assertTrue(run.err().contains("no tensor `alpha`"));
        assertFalse(Files.exists(dir.resolve("out.safetensors")));
    }

    @Test
    void typesThatNoProbeReadsAreRefused() throws IOException {
        putAll(GATED);
        folder.put("document", BATCH, T);
        folder.putLongs("alpha", new long[] {1, 1}, 2);

        Invocation run = folder.run("chunked", GATED);

        assertEquals(4, run.exitCode());
        assertTrue(run.err().contains("`document`: found F32, expected I64"), run.err());
        assertTrue(
                run.err().contains("`alpha`: found I64, expected F32, F64, BF16 or F16"),
                run.err());
    }

    @Test
    void headsThatCannotShareKeysAndEmptyTextsAreRefused() throws IOException {
        putAll(GATED);
        folder.put("q", BATCH, 3, T, 4);
        folder.put("k", BATCH, 2, T, 4);

        Invocation heads = folder.run("chunked", GATED);
        folder.put("q", BATCH, 2, 0, 4);
        Invocation empty = folder.run("chunked", GATED);

        assertEquals(4, heads.exitCode());
        assertTrue(heads.err().contains("K a divisor of H, found (2, 3, 19, 4)"), heads.err());
        assertEquals(4, empty.exitCode());
        assertTrue(empty.err().contains("`q`: expected 4 dimensions of at least 1"), empty.err());
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(
            strings = {
                "{window: {size: 2000000000}, feature_map: elu}",
                "{window: {size: 3, keep_first: 2000000000}, feature_map: elu}",
                "{window: {size: 1073741824, shape: terrace}, feature_map: elu}"
            })
    void aStateLargerThanAnyMemoryIsRefusedBeforeItIsTaken(String yaml) throws IOException {
        folder.put("q", 1, 2, T, 4);
        folder.put("k", 1, 1, T, 4);
        folder.put("v", 1, 1, T, 4);
        folder.put("window_factor", 2);

        Invocation run = folder.run("step", yaml);

        assertEquals(4, run.exitCode(), run.err());
        assertTrue(run.err().contains("a probe takes at most 536870912"), run.err());
    }

    @Test
    void aSwitchThatTheWidthContradictsIsABadConfiguration() throws IOException {
        String pool = GATED.replace("gate: scalar, feature_map: elu", "gate: key_pool");
        putAll(GATED);
        folder.put("feature_map_q.weight", 2, 4, 4);
        folder.put("feature_map_k.weight", 2, 4, 4);

        Invocation run = folder.run("chunked", pool);

        assertEquals(3, run.exitCode(), run.err());
        assertTrue(run.err().contains("gate.kind: `key_pool` gives one gate for each"), run.err());
    }

    @Test
    void aChunkHasAtLeastOneRow() throws IOException {
        putAll(GATED);

        assertEquals(2, folder.run("chunked", GATED, "--chunk-size=0").exitCode());
    }
}
