package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.checkpoint.TensorInfo;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.checkpoint.pickle.TorchFileWriter;
import dev.tegu.checkpoint.pickle.TorchWeights;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CheckpointCommandsTest {
    @TempDir Path temp;
    private Path model;

    @BeforeEach
    void writeAModel() throws IOException {
        model = temp.resolve("model");
        try (StagedDirectory staged = StagedDirectory.create(model)) {
            Files.writeString(
                    staged.path("config.json"),
                    "{\"model_type\": \"other\", \"num_hidden_layers\": 2,"
                            + " \"linear_attention\": {\"window\": {\"size\": 32}}}");
            TensorSource weights =
                    TensorSource.of(DType.F32, List.of(2L, 3L), () -> ByteBuffer.allocate(24));
            SafetensorsWriter.write(staged.path("model.safetensors"), Map.of("a.weight", weights));
            staged.property("kind", "student").property("method", "lolcats").commit();
        }
    }

    @Test
    void inspectSaysWhatTheModelHolds() {
        Invocation run = Invocation.of("inspect", model.toString(), "--tensors");

        assertEquals("", run.err());
        assertEquals(0, run.exitCode());
        assertEquals(
                """
                model_type               other
                num_hidden_layers        2
                parameters               6
                bytes                    24
                tensors                  1 {"F32":1}
                files                    ["model.safetensors"]
                tokenizer                \n\
                manifest                 yes
                record:
                  kind: student
                  method: lolcats
                linear_attention:
                  window:
                    size: 32
                tensors:
                  a.weight               F32 [2,3] 24 B
                """,
                run.out());
    }

    private Path tiny(boolean tied) throws IOException {
        Path dir = temp.resolve("tiny");
        ObjectNode config = TinyModels.config(tied);
        try (DecoderModel random = TinyModels.random(config, 1)) {
            ModelWriter.of(random, config, DType.BF16).write(dir);
        }
        return dir;
    }

    @Test
    void inspectShowsATreeInWhichLayersThatAreAlikeStandOnce() throws IOException {
        Path dir = tiny(false);

        String out = Invocation.of("inspect", dir.toString()).out();
        JsonNode json =
                new JsonMapper().readTree(Invocation.of("inspect", dir.toString(), "--json").out());

        int layers = json.at("/config/num_hidden_layers").asInt();
        String range = "layers.0-" + (layers - 1);
        assertTrue(out.contains("\n  lm_head.weight "), out);
        assertTrue(out.contains("\n    " + range + " "), out);
        assertTrue(out.contains("\n      self_attn\n") || out.contains("      self_attn "), out);
        assertTrue(out.contains(" x " + layers + " "), out);
        assertEquals(1, out.split("q_proj", -1).length - 1, out);
        long bytes = 0;
        for (JsonNode group : json.path("tree")) {
            bytes += group.path("bytes").asLong();
        }
        assertEquals(json.path("bytes").asLong(), bytes);
        assertEquals("model", json.at("/record/kind").asText());
    }

    /** Two bytes of a tensor's data become others. */
    private static void patch(Path dir, String tensor, int element, int bits) throws IOException {
        long offset;
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(dir)) {
            offset = files.info(tensor).offset() + 2L * element;
        }
        try (RandomAccessFile file =
                new RandomAccessFile(dir.resolve("model.safetensors").toFile(), "rw")) {
            file.seek(offset);
            file.write(bits);
            file.write(bits >> 8);
        }
    }

    @Test
    void verifyNamesTheFirstNumberOfEachTensorThatIsNotFinite() throws IOException {
        Path dir = tiny(false);
        Files.delete(dir.resolve("manifest.json"));
        patch(dir, "model.norm.weight", 3, 0x7fc0);
        patch(dir, "model.norm.weight", 5, 0x7f80);
        patch(
                dir,
                "lm_head.weight",
                1 + TinyModels.config(false).get("hidden_size").asInt(),
                0xff80);

        Invocation run = Invocation.of("verify", dir.toString());

        assertEquals(5, run.exitCode());
        assertEquals(
                "error: "
                        + dir
                        + ": `lm_head.weight`[1, 1] is infinite; `model.norm.weight`[3] is NaN\n",
                run.err());
    }

    @Test
    void verifyComparesATiedHeadWithTheEmbedding() throws IOException {
        Path dir = tiny(false);
        Files.delete(dir.resolve("manifest.json"));
        Path config = dir.resolve("config.json");
        String text = Files.readString(config);
        assertEquals(0, Invocation.of("verify", dir.toString()).exitCode());
        Files.writeString(
                config,
                text.replaceFirst(
                        "\"tie_word_embeddings\" : false", "\"tie_word_embeddings\" : true"));

        Invocation run = Invocation.of("verify", dir.toString());

        assertEquals(5, run.exitCode());
        assertTrue(run.err().contains("`lm_head.weight` differs from `model.embed"), run.err());
    }

    @Test
    void everyTensorThatDoesNotFitIsNamedAtOnce() throws IOException {
        Path dir = tiny(false);
        Files.delete(dir.resolve("manifest.json"));
        Map<String, TensorSource> tensors = new TreeMap<>();
        Path copy = temp.resolve("copy.safetensors");
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(dir)) {
            files.names().forEach(n -> tensors.put(n, TensorSource.of(files.fileOf(n), n)));
            tensors.put("model.norm.wieght", tensors.remove("model.norm.weight"));
            tensors.remove("lm_head.weight");
            tensors.put("stray", tensors.get("model.norm.wieght"));
            tensors.put("model.embed_tokens.weight", tensors.get("model.norm.wieght"));
            SafetensorsWriter.write(copy, tensors);
        }
        Files.move(copy, dir.resolve("model.safetensors"), StandardCopyOption.REPLACE_EXISTING);

        Invocation run = Invocation.of("verify", dir.toString());

        assertEquals(5, run.exitCode());
        for (String part :
                List.of(
                        "2 missing: `lm_head.weight` (set `tie_word_embeddings`",
                        "`model.norm.weight` (nearest: `model.norm.wieght`)",
                        "2 not of this architecture: `model.norm.wieght` (nearest:"
                                + " `model.norm.weight`), `stray`",
                        "1 not as config.json asks: `model.embed_tokens.weight`: expected [")) {
            assertTrue(run.err().contains(part), run.err());
        }
    }

    @Test
    void aModelOfPicklesIsInspectedVerifiedAndConverted() throws IOException {
        Path dir = tiny(true);
        TorchFileWriter pickle = TorchFileWriter.flat();
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(dir)) {
            for (String name : files.names()) {
                TensorInfo info = files.info(name);
                byte[] bytes = new byte[(int) info.byteLength()];
                files.map(name).get(bytes);
                pickle.raw(name, info.dtype(), info.dimensions(), bytes);
            }
        }
        Files.delete(dir.resolve("model.safetensors"));
        Files.delete(dir.resolve("manifest.json"));
        pickle.write(dir.resolve("pytorch_model.bin"));
        Path student = temp.resolve("student");

        Invocation inspected = Invocation.of("inspect", dir.toString());
        Invocation verified = Invocation.of("verify", dir.toString());
        Invocation converted =
                Invocation.of(
                        ("convert --teacher " + dir + " --method hedgehog --output " + student)
                                .split(" "));

        assertTrue(inspected.out().contains("[\"pytorch_model.bin\"]"), inspected.out());
        assertEquals("", verified.err());
        assertTrue(verified.out().contains("names and shapes as config.json asks"));
        assertEquals("", converted.err());
        Invocation whole = Invocation.of("verify", student.toString());
        assertEquals("", whole.err());
        assertTrue(whole.out().contains("names and shapes as config.json asks"), whole.out());
        try (HuggingFaceDirectory from = HuggingFaceDirectory.open(dir);
                HuggingFaceDirectory to = HuggingFaceDirectory.open(student)) {
            assertTrue(from.fileOf("model.norm.weight") instanceof TorchWeights);
            for (String name : from.names()) {
                assertEquals(from.map(name), to.map(name), name);
            }
        }
    }

    @Test
    void inspectAsJsonIsOneObject() throws IOException {
        JsonNode summary =
                new JsonMapper()
                        .readTree(Invocation.of("inspect", model.toString(), "--json").out());

        assertEquals(6, summary.path("parameters").asLong());
        assertEquals(32, summary.at("/config/linear_attention/window/size").asInt());
    }

    @Test
    void inspectOfNoModelIsABadInput() {
        Invocation run = Invocation.of("inspect", temp.resolve("none").toString());

        assertEquals(4, run.exitCode());
        assertEquals("", run.out());
        assertTrue(run.err().startsWith("error: " + temp.resolve("none")), run.err());
    }

    @Test
    void aWholeModelVerifies() {
        Invocation run = Invocation.of("verify", model.toString());

        assertEquals("", run.err());
        assertEquals(0, run.exitCode());
        assertEquals(
                model
                        + ": whole: every file as the manifest says; names and shapes not checked,"
                        + " the model's family is not known; 1 tensors, all finite\n",
                run.out());
    }

    @Test
    void aModelWithoutManifestIsCheckedByItsHeaders() throws IOException {
        Files.delete(model.resolve("manifest.json"));

        Invocation run = Invocation.of("verify", model.toString());

        assertEquals(0, run.exitCode());
        assertTrue(run.out().contains("there is no manifest"), run.out());
    }

    @Test
    void oneChangedByteFailsTheVerification() throws IOException {
        Path weights = model.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 1] ^= 1;
        Files.write(weights, bytes);

        Invocation run = Invocation.of("verify", model.toString());

        assertEquals(5, run.exitCode());
        assertTrue(run.err().contains("model.safetensors has changed"), run.err());
    }

    @Test
    void aMissingDirectoryIsABadInputNotAFailedVerification() {
        assertEquals(4, Invocation.of("verify", temp.resolve("none").toString()).exitCode());
    }

    @Test
    void theCorpusIsWrittenAndItsFolderPrinted() throws IOException {
        Path dir = temp.resolve("corpus");

        Invocation run =
                Invocation.of("corpus", "--output", dir.toString(), "--set", "train_documents=3");

        assertEquals("", run.err());
        assertEquals(dir + "\n", run.out());
        assertEquals(3, Files.readAllLines(dir.resolve("train.jsonl")).size());
    }

    @Test
    void aMisspeltSettingOfTheCorpusIsABadConfiguration() {
        Path dir = temp.resolve("corpus");

        Invocation run =
                Invocation.of("corpus", "--output", dir.toString(), "--set", "train_docs=3");

        assertEquals(3, run.exitCode());
        assertTrue(run.err().startsWith("error: --set: train_docs: "), run.err());
    }
}
