package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.checkpoint.pickle.PickleWriter;
import dev.tegu.checkpoint.pickle.TorchFileWriter;
import dev.tegu.lora.AdaptedModels;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import dev.tegu.model.lolcats.LolcatsFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code convert --lolcats-checkpoint} from the files to the logits. */
final class ConvertLolcatsTest {
    private static final int RANK = 2;
    private static final double ALPHA = 3;

    @TempDir Path dir;
    private Path teacher;
    private Path distilled;
    private Path finetuned;
    private Path output;

    @BeforeEach
    void writeATeacherAndItsCheckpoints() throws IOException {
        teacher = TinyModels.teacher(dir.resolve("teacher"), false, DType.F32);
        output = dir.resolve("student");
        TorchFileWriter first = TorchFileWriter.wrapped("model_state_dict").asParameters();
        TorchFileWriter second = TorchFileWriter.wrapped("model_state_dict").asParameters();
        for (int layer = 0; layer < 3; layer++) {
            LolcatsFiles.layer(first, LolcatsFiles.PLAIN, layer, DType.BF16, 4);
            LolcatsFiles.adapters(second, ".default.weight", layer, RANK);
        }
        LolcatsFiles.put(
                second,
                LolcatsFiles.WRAPPED + "2.self_attn.window_factors",
                "finetuned",
                DType.BF16,
                new long[] {1, 4, 1, 1});
        distilled = first.write(dir.resolve("a_distill.pt"));
        finetuned = second.write(dir.resolve("a_ft.pt"));
    }

    private Invocation convert(Object... more) {
        List<String> arguments = new ArrayList<>();
        arguments.addAll(List.of("convert", "--teacher=" + teacher, "--output=" + output));
        arguments.addAll(List.of("--method=lolcats", "--set=window.size=4"));
        Stream.of(more).map(String::valueOf).forEach(arguments::add);
        return Invocation.of(arguments.toArray(String[]::new));
    }

    private static Invocation done(Invocation run) {
        assertEquals("", run.err());
        assertEquals(0, run.exitCode());
        return run;
    }

    private void refused(Invocation run, String expected) throws IOException {
        assertEquals(4, run.exitCode(), run.err());
        assertEquals("", run.out());
        assertTrue(run.err().contains(expected), run.err());
        assertEquals(1, run.err().lines().count(), run.err());
        try (Stream<Path> files = Files.list(dir)) {
            assertFalse(files.anyMatch(file -> file.toString().contains("student")));
        }
    }

    private static float[] floats(HuggingFaceDirectory files, String name) throws IOException {
        ByteBuffer bytes = files.map(name);
        float[] values = new float[bytes.remaining() / Float.BYTES];
        bytes.asFloatBuffer().get(values);
        return values;
    }

    @Test
    @DisplayName("29: a student has the parameters of both files")
    void theStudentHasTheParametersOfBothFiles() throws IOException {
        Invocation run =
                done(
                        convert(
                                "--lolcats-checkpoint=" + distilled,
                                "--lolcats-checkpoint=" + finetuned));

        assertEquals(output + "\n", run.out());
        assertEquals(
                "a_distill.pt, a_ft.pt",
                Manifest.read(output).properties().get("lolcats_checkpoint"));
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(output)) {
            for (int layer = 0; layer < 3; layer++) {
                String attention = "model.layers." + layer + ".self_attn.";
                String w = layer == 2 ? "finetuned" : LolcatsFiles.seed(layer, "w");
                assertArrayEquals(
                        LolcatsFiles.values(w, 4), floats(files, attention + "window_factor"));
                for (String side : new String[] {"q", "k"}) {
                    assertArrayEquals(
                            LolcatsFiles.values(LolcatsFiles.seed(layer, side), 64),
                            floats(files, attention + "feature_map_" + side + ".weight"));
                }
            }
        }
    }

    @Test
    @DisplayName("29: the forward with adapters is that of weights merged by hand")
    void theForwardWithAdaptersIsThatOfWeightsMergedByHand() throws IOException {
        done(
                convert(
                        "--lolcats-checkpoint=" + distilled,
                        "--lolcats-checkpoint=" + finetuned,
                        "--lora-alpha=" + ALPHA));
        Path merged = dir.resolve("merged");
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(output)) {
            ModelWriter writer = ModelWriter.copyOf(files);
            for (int layer = 0; layer < 3; layer++) {
                for (String module : new String[] {"q", "k", "v", "o"}) {
                    String name = "model.layers." + layer + ".self_attn." + module + "_proj.weight";
                    writer.tensor(name, mergedByHand(files, name, layer, module));
                }
            }
            writer.write(merged);
        }

        float[] expected = TinyModels.logits(merged);
        float[] unadapted = TinyModels.logits(output);
        try (DecoderModel model = AdaptedModels.load(output, Device.cpu())) {
            float[] found = TinyModels.logits(model);
            double off = TinyModels.distance(expected, found);
            assertTrue(off < 1e-3, "largest difference " + off);
            assertTrue(TinyModels.distance(unadapted, found) > 0.1);
        }
    }

    private static TensorSource mergedByHand(
            HuggingFaceDirectory files, String name, int layer, String module) throws IOException {
        List<Long> shape = files.info(name).shape();
        int out = Math.toIntExact(shape.get(0));
        int in = Math.toIntExact(shape.get(1));
        float[] weight = floats(files, name);
        float[] a = LolcatsFiles.values(LolcatsFiles.seed(layer, module) + "A", RANK * in);
        float[] b = LolcatsFiles.values(LolcatsFiles.seed(layer, module) + "B", out * RANK);
        ByteBuffer bytes =
                ByteBuffer.allocate(weight.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < out; i++) {
            for (int j = 0; j < in; j++) {
                double sum = 0;
                for (int k = 0; k < RANK; k++) {
                    sum += (double) b[i * RANK + k] * a[k * in + j];
                }
                bytes.putFloat((float) (weight[i * in + j] + ALPHA / RANK * sum));
            }
        }
        return TensorSource.of(DType.F32, shape, bytes.flip()::duplicate);
    }

    @Test
    void theFeatureDimOfTheFileCanBeGivenAsTheMessageSays() throws IOException {
        TorchFileWriter file = TorchFileWriter.flat();
        for (int layer = 0; layer < 3; layer++) {
            LolcatsFiles.layer(file, LolcatsFiles.PLAIN, layer, DType.F32, 3);
        }
        String option = "--lolcats-checkpoint=" + file.write(dir.resolve("b.pt"));

        refused(convert(option), "`--set feature_map.feature_dim=3`");

        done(convert(option, "--set", "feature_map.feature_dim=3"));
        assertTrue(Files.exists(output.resolve("manifest.json")));
    }

    @Test
    @DisplayName("29: a pickle that would run code is refused")
    void aPickleThatWouldRunCodeIsRefusedAndNothingIsWritten() throws IOException {
        Path canary = dir.resolve("canary");
        byte[] pickle =
                new PickleWriter(2)
                        .global("os", "system")
                        .text("touch " + canary)
                        .op(0x85, 'R')
                        .end();
        Path file = TorchFileWriter.archive(dir.resolve("b.pt"), pickle, Map.of(), false);

        refused(
                convert("--lolcats-checkpoint=" + file),
                "error: b.pt: `os.system` in data.pkl would run code; refused.");
        assertFalse(Files.exists(canary));
    }

    @Test
    void aValueThatIsNotFiniteLeavesNoStudentBehind() throws IOException {
        TorchFileWriter file = TorchFileWriter.flat();
        file.put(
                "model.layers.1.self_attn.window_factors",
                DType.F32,
                new long[] {1, 4, 1, 1},
                1,
                Float.NaN,
                1,
                1);
        Path path = file.write(dir.resolve("b.pt"));

        refused(
                convert("--lolcats-checkpoint=" + distilled, "--lolcats-checkpoint=" + path),
                "holds NaN");
    }

    @Test
    void anAlphaAloneIsAUsageError() {
        assertEquals(2, convert("--lora-alpha=8").exitCode());
    }
}
