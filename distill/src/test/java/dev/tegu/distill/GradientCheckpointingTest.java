package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.sun.jna.NativeLibrary;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Layers computed a second time on the way back give the gradients of those that were kept. */
class GradientCheckpointingTest {
    /** Linux begins its measure of peak memory anew when a 5 is written here. */
    private static final Path CLEAR_REFS = Path.of("/proc/self/clear_refs");

    private static final StepContext CONTEXT = new StepContext(5, 7, 20, 1, 1, Set.of());

    private static Map<String, float[]> gradients(String settings, boolean checkpointing)
            throws IOException {
        try (DecoderModel model = Tiny.student(3, Tiny.method("lizard", "[1]"))) {
            TinyModels.disturb(model);
            return Stage2.gradients(
                    Stage2.objective(
                            model,
                            "{tokens: 1, gradient_checkpointing: "
                                    + checkpointing
                                    + ", "
                                    + settings
                                    + "}"),
                    CONTEXT);
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "r: 2",
                "r: 2, lora_dropout: 0.3",
                "r: 2, lora_dropout: 0.3, target_modules: [q_proj, down_proj], kl_weight: 1.0",
                "trains: [lora, feature_map, gate, alpha, sinks], lora_dropout: 0.2",
                "layers_to_transform: [2]",
                "layers_to_transform: [1], lora_dropout: 0.5",
                "trains: [feature_map]",
                "trains: [weight]",
                "trains: [weight, feature_map, gate]"
            })
    @DisplayName("the gradients are equal bit for bit")
    void gradientsAreThoseOfThePlainPass(String settings) throws IOException {
        Map<String, float[]> plain = gradients(settings, false);

        Map<String, float[]> found = gradients(settings, true);

        assertEquals(plain.keySet(), found.keySet());
        plain.forEach((name, values) -> assertArrayEquals(values, found.get(name), name));
        plain.forEach(
                (name, values) ->
                        assertTrue(
                                TinyModels.distance(values, new float[values.length]) > 0, name));
    }

    @Test
    @DisplayName("the activations of one layer stand in memory, not those of twelve")
    void peakMemoryIsThatOfOneLayer() throws IOException {
        assumeTrue(Files.isWritable(CLEAR_REFS), "this system does not measure peaks");
        try (DecoderModel model = Tiny.student(12, Tiny.method("lolcats", "[]"))) {
            peak(model, true);
            long layerwise = peak(model, true);
            long whole = peak(model, false);

            assertTrue(whole > 2 * layerwise, layerwise + " kB layer by layer, " + whole + " else");
        }
    }

    /** What one backward pass adds to the memory that the process holds, in kB. */
    private static long peak(DecoderModel model, boolean checkpointing) throws IOException {
        LoraFinetuneSettings settings =
                Stage2.settings(
                        "{tokens: 1, trains: [feature_map], gradient_checkpointing: "
                                + checkpointing
                                + "}");
        NextToken objective = NextToken.finetune(settings, model, Optional.empty());
        Stage2.parameters(objective).values().forEach(p -> p.setRequiresGradient(true));
        try (NDManager scope = model.manager().newSubManager()) {
            NDArray ids = scope.zeros(new Shape(4, 1024), DataType.INT64);
            TrainingBatch batch = TrainingBatch.of(ids, ids.duplicate());
            giveBackFreeMemory();
            Files.writeString(CLEAR_REFS, "5");
            long before = status("VmRSS");
            objective.backward(batch, CONTEXT);
            return status("VmHWM") - before;
        } finally {
            Stage2.parameters(objective).values().forEach(p -> p.setRequiresGradient(false));
        }
    }

    /**
     * What earlier tests have left free inside of the process would take up a pass unseen: glibc
     * gives it back when asked.
     */
    private static void giveBackFreeMemory() {
        NativeLibrary.getInstance("c").getFunction("malloc_trim").invokeInt(new Object[] {0L});
    }

    private static long status(String key) throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith(key))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void dropoutDependsOnTheStep() throws IOException {
        try (DecoderModel model = Tiny.student(1, Tiny.method("lolcats", "[]"))) {
            NextToken objective =
                    Stage2.objective(
                            model, "{tokens: 1, lora_dropout: 0.4, gradient_checkpointing: true}");
            Map<String, float[]> one = Stage2.gradients(objective, CONTEXT);
            Map<String, float[]> again = Stage2.gradients(objective, CONTEXT);
            Map<String, float[]> other = Stage2.gradients(objective, CONTEXT.withMicroBatch(0));

            one.forEach((name, values) -> assertArrayEquals(values, again.get(name), name));
            one.forEach(
                    (name, values) ->
                            assertTrue(TinyModels.distance(values, other.get(name)) > 0, name));
        }
    }
}
