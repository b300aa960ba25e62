package dev.tegu.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class BaseModelDigestTest {
    @TempDir Path dir;

    private String digest(Path model) throws IOException {
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(model)) {
            BaseModelDigest digest = new BaseModelDigest(files);
            AtomicLong read = new AtomicLong();
            String hex = digest.compute(read::addAndGet);
            assertEquals(digest.bytes(), read.get());
            return hex;
        }
    }

    @Test
    void itIsTheDigestOfTheFilesDigests() throws IOException {
        Path model = TinyModels.teacher(dir.resolve("m"), true, DType.F32);
        StringBuilder lines = new StringBuilder();
        for (String name : new String[] {"config.json", "model.safetensors", "tokenizer.json"}) {
            lines.append(Sha256.ofFile(model.resolve(name))).append("  " + name + "\n");
        }
        byte[] bytes = lines.toString().getBytes(StandardCharsets.UTF_8);

        assertEquals(HexFormat.of().formatHex(Sha256.start().digest(bytes)), digest(model));
    }

    @Test
    void anyByteOfWeightsConfigAndTokenizerChangesIt() throws IOException {
        Path model = TinyModels.teacher(dir.resolve("m"), true, DType.F32);
        Set<String> found = new TreeSet<>();
        found.add(digest(model));
        Path weights = model.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 1] ^= 1;
        Files.write(weights, bytes);
        found.add(digest(model));
        for (String name : new String[] {"config.json", "tokenizer.json"}) {
            Path file = model.resolve(name);
            Files.writeString(file, Files.readString(file) + "\n");
            found.add(digest(model));
        }
        Files.writeString(model.resolve("generation_config.json"), "{}");
        String last = digest(model);

        assertEquals(4, found.size());
        assertEquals(true, found.contains(last), "other files do not count");
    }
}
