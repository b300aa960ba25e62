package dev.tegu.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class WeightsDigestTest {
    @TempDir Path dir;

    private Path model(String name, String weights) throws IOException {
        Path model = Files.createDirectories(dir.resolve(name));
        Files.writeString(model.resolve("config.json"), "{}");
        Files.writeString(model.resolve("model.safetensors"), weights);
        return model;
    }

    @Test
    void itIsOfTheListOfDigestsByName() throws IOException {
        Path model = model("a", "weights");
        Files.writeString(model.resolve("tokenizer.json"), "not part of it");

        String lines =
                Sha256.ofFile(model.resolve("config.json"))
                        + "  config.json\n"
                        + Sha256.ofFile(model.resolve("model.safetensors"))
                        + "  model.safetensors\n";
        assertEquals(Sha256.hex(lines.getBytes(StandardCharsets.UTF_8)), WeightsDigest.of(model));
        assertNotEquals(WeightsDigest.of(model("b", "other")), WeightsDigest.of(model));
    }

    @Test
    void aLinkIsWhatItLeadsTo() throws IOException {
        Path model = model("a", "weights");
        Path folder = Files.createSymbolicLink(dir.resolve("link"), model);
        Path files = Files.createDirectories(dir.resolve("files"));
        for (String name : new String[] {"config.json", "model.safetensors"}) {
            Files.createSymbolicLink(files.resolve(name), model.resolve(name));
        }

        assertEquals(WeightsDigest.of(model), WeightsDigest.of(folder));
        assertEquals(WeightsDigest.of(model), WeightsDigest.of(files));
    }

    @Test
    void aFolderWithoutWeightsHasNone() throws IOException {
        Files.writeString(dir.resolve("README.md"), "");

        CheckpointException e =
                assertThrows(CheckpointException.class, () -> WeightsDigest.of(dir));
        assertTrue(e.getMessage().endsWith("no weights in it; is this a model's folder?"));
    }
}
