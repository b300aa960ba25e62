package dev.tegu.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tegu.checkpoint.pickle.TorchFileWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HuggingFaceDirectoryTest {

    private static final String SHARD_1 = "model-00001-of-00002.safetensors";
    private static final String SHARD_2 = "model-00002-of-00002.safetensors";

    @TempDir Path dir;

    @BeforeEach
    void config() throws IOException {
        Files.writeString(dir.resolve("config.json"), "{\"model_type\": \"llama\"}");
    }

    private void shard(String file, String... names) throws IOException {
        Map<String, TensorSource> tensors = new TreeMap<>();
        for (String name : names) {
            tensors.put(name, SafetensorsWriterTest.bytes(DType.U8, List.of(1L), name.length()));
        }
        SafetensorsWriter.write(dir.resolve(file), tensors);
    }

    private void index(String... namesAndFiles) throws IOException {
        StringBuilder map = new StringBuilder();
        for (int i = 0; i < namesAndFiles.length; i += 2) {
            String separator = i == 0 ? "" : ",";
            map.append(separator).append('"').append(namesAndFiles[i]).append("\":\"");
            map.append(namesAndFiles[i + 1]).append('"');
        }
        Files.writeString(
                dir.resolve("model.safetensors.index.json"), "{\"weight_map\":{" + map + "}}");
    }

    private String refusal() {
        return refusal(dir);
    }

    private static String refusal(Path dir) {
        CheckpointException e =
                assertThrows(CheckpointException.class, () -> HuggingFaceDirectory.open(dir));
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
        return e.getMessage();
    }

    private void assertRefused(String why) {
        String message = refusal();
        assertTrue(message.contains(why), message);
    }

    @Test
    void singleFileIsEnough() throws IOException {
        shard("model.safetensors", "a", "bb");

        try (HuggingFaceDirectory model = HuggingFaceDirectory.open(dir)) {
            assertEquals("[a, bb]", model.names().toString());
            assertEquals("llama", model.config().path("model_type").asText());
            assertTrue(model.has("bb"));
            assertFalse(model.has("c"));
            assertEquals(2, model.map("bb").get());
            assertEquals(DType.U8, model.info("a").dtype());
            assertTrue(model.tokenizerFiles().isEmpty());
            assertTrue(model.generationConfig().isEmpty());
            assertThrows(CheckpointException.class, () -> model.map("c"));
        }
    }

    @Test
    void shardsAreFoundByTheirIndex() throws IOException {
        shard(SHARD_1, "a", "bb");
        shard(SHARD_2, "ccc");
        index("a", SHARD_1, "bb", SHARD_1, "ccc", SHARD_2);
        Files.writeString(dir.resolve("merges.txt"), "");
        Files.writeString(dir.resolve("tokenizer.json"), "{}");

        try (HuggingFaceDirectory model = HuggingFaceDirectory.open(dir)) {
            assertEquals("[a, bb, ccc]", model.names().toString());
            assertEquals(3, model.map("ccc").get());
            assertEquals(
                    List.of(dir.resolve("tokenizer.json"), dir.resolve("merges.txt")),
                    model.tokenizerFiles());
        }
    }

    @Test
    void picklesAreReadWhereThereIsNothingElse() throws IOException {
        TorchFileWriter.flat()
                .put("a", DType.F32, new long[] {2}, 1, 2)
                .put("b", DType.BF16, new long[] {1}, 3)
                .write(dir.resolve("pytorch_model.bin"));

        try (HuggingFaceDirectory model = HuggingFaceDirectory.open(dir)) {
            assertEquals("[a, b]", model.names().toString());
            assertEquals(2f, model.map("a", 4, 4).getFloat());
            assertEquals(List.of(dir.resolve("pytorch_model.bin")), model.weightFiles());
        }

        shard("model.safetensors", "safe");
        try (HuggingFaceDirectory model = HuggingFaceDirectory.open(dir)) {
            assertEquals("[safe]", model.names().toString());
        }
    }

    @Test
    void shardedPicklesAreComparedWithTheirIndex() throws IOException {
        String one = "pytorch_model-00001-of-00002.bin";
        String two = "pytorch_model-00002-of-00002.bin";
        Path index = dir.resolve("pytorch_model.bin.index.json");
        TorchFileWriter.flat().put("a", DType.F32, new long[] {1}, 1).write(dir.resolve(one));
        TorchFileWriter.flat().put("b", DType.F16, new long[] {1}, 2).write(dir.resolve(two));
        String map = "{\"weight_map\":{\"a\":\"" + one + "\",\"b\":\"" + two + "\"";

        Files.writeString(index, map + "}}");
        try (HuggingFaceDirectory model = HuggingFaceDirectory.open(dir)) {
            assertEquals("[a, b]", model.names().toString());
            assertEquals(1f, model.map("a").getFloat());
        }

        Files.writeString(index, map + ",\"c\":\"" + two + "\"}}");
        assertRefused("pytorch_model.bin.index.json and the shards disagree: `c` is in the index");
        Files.writeString(index, map + ",\"c\":\"x.safetensors\"}}");
        assertRefused("is not the plain name of a .bin file");
    }

    @Test
    void missingDirectoryConfigAndWeightsAreNamed() throws IOException {
        assertTrue(refusal(dir.resolve("absent")).contains("no such folder"));
        assertTrue(refusal(dir.resolve("config.json")).contains("is a file, not a folder"));
        assertRefused(
                "no weights: none of model.safetensors, model.safetensors.index.json,"
                        + " pytorch_model.bin, pytorch_model.bin.index.json; found config.json;");
        Files.writeString(dir.resolve("pytorch_model.bin"), "x");
        assertRefused("pytorch_model.bin: not a file of torch.save: ");
        Files.delete(dir.resolve("config.json"));
        assertRefused("no config.json; found pytorch_model.bin;");
    }

    @Test
    void damagedConfigIsNamed() throws IOException {
        shard("model.safetensors", "a");
        Path config = dir.resolve("config.json");
        Files.writeString(config, "{\"a\": 1,\n \"a\": 2}");
        assertRefused("config.json: not valid JSON at line 2, column ");
        Files.writeString(config, "[1]");
        assertRefused("config.json: expected a JSON object");
        Files.writeString(config, "version https://git-lfs.github.com/spec/v1\n");
        assertRefused("config.json (begins with a Git LFS pointer;");
        Files.writeString(config, "");
        assertRefused("config.json (the file is empty;");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../x.safetensors",
                "/etc/x.safetensors",
                "sub/x.safetensors",
                "..\\\\x.safetensors",
                "C:x.safetensors",
                ".x.safetensors",
                "x.bin",
                ""
            })
    void pathTrickInTheIndexIsRefused(String name) throws IOException {
        index("a", name);

        assertRefused("paths are not followed");
    }

    @Test
    void indexWithoutAMapIsRefused() throws IOException {
        Path index = dir.resolve("model.safetensors.index.json");
        for (String text : List.of("{}", "{\"weight_map\": []}", "{\"weight_map\": {}}")) {
            Files.writeString(index, text);
            assertRefused("no `weight_map`");
        }
        Files.writeString(index, "{\"weight_map\": {\"a\": 1}}");
        assertRefused("paths are not followed");
    }

    @Test
    void missingShardIsNamed() throws IOException {
        shard(SHARD_1, "a");
        index("a", SHARD_1, "b", SHARD_2);

        assertRefused("shard `" + SHARD_2 + "` named by model.safetensors.index.json is missing");
    }

    @Test
    void indexAndShardsMustAgreeBothWays() throws IOException {
        shard(SHARD_1, "a", "extra");
        shard(SHARD_2, "c");
        index("a", SHARD_2, "b", SHARD_1, "c", SHARD_2);

        assertRefused(
                "disagree: `a` is in "
                        + SHARD_1
                        + " where the index says "
                        + SHARD_2
                        + ", `b` is in the index and in no shard"
                        + ", `extra` is in "
                        + SHARD_1
                        + " and not in the index");
    }

    @Test
    void tensorInTwoShardsIsRefused() throws IOException {
        shard(SHARD_1, "a", "b");
        shard(SHARD_2, "b");
        index("a", SHARD_1, "b", SHARD_2);

        assertRefused("tensor `b` is in two shards");
    }

    @Test
    void damagedShardIsNamed() throws IOException {
        shard(SHARD_1, "a");
        Files.writeString(dir.resolve(SHARD_2), "version https://git-lfs.github.com/spec/v1\n");
        index("a", SHARD_1, "b", SHARD_2);

        assertRefused(SHARD_2 + ": not a safetensors file: begins with a Git LFS pointer");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "models/stories260K-hf",
                "models/stories260K-hf-bf16-sharded",
                "models/teacher-14m",
                "fixtures/gpt2",
                "fixtures/llama-gqa",
                "fixtures/llama3-rope-tied",
                "fixtures/mistral-window",
                "fixtures/qwen2",
                "fixtures/qwen3"
            })
    void realModelsOpen(String name) throws IOException {
        try (HuggingFaceDirectory model = HuggingFaceDirectory.open(SharedFiles.path(name))) {
            long vocabulary = model.config().path("vocab_size").asLong();
            String embedding =
                    model.names().stream()
                            .filter(tensor -> tensor.matches(".*(embed_tokens|wte)\\.weight"))
                            .findFirst()
                            .orElseThrow();
            assertEquals(vocabulary, model.info(embedding).shape().get(0));
            assertEquals(model.info(embedding).byteLength(), model.map(embedding).remaining());
            assertTrue(model.generationConfig().isPresent());
        }
    }
}
