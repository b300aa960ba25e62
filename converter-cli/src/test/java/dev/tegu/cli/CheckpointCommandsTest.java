package dev.tegu.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.checkpoint.TensorSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
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
                    "{\"model_type\": \"llama\", \"num_hidden_layers\": 2,"
                            + " \"linear_attention\": {\"window\": {\"size\": 32}}}");
            TensorSource weights =
                    TensorSource.of(DType.F32, List.of(2L, 3L), () -> ByteBuffer.allocate(24));
            SafetensorsWriter.write(staged.path("model.safetensors"), Map.of("a.weight", weights));
            staged.commit();
        }
    }

    @Test
    void inspectSaysWhatTheModelHolds() {
        Invocation run = Invocation.of("inspect", model.toString(), "--tensors");

        assertEquals("", run.err());
        assertEquals(0, run.exitCode());
        assertEquals(
                """
                model_type               llama
                num_hidden_layers        2
                parameters               6
                bytes                    24
                tensors                  1 {"F32":1}
                tokenizer                \n\
                manifest                 yes
                linear_attention:
                  window:
                    size: 32
                a.weight                 F32 [2,3]
                """,
                run.out());
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
        assertEquals(model + ": whole, every file as the manifest says\n", run.out());
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
