package dev.tegu.distill.blocks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.SafetensorsWriter;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.checkpoint.TensorSource;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.distill.AttentionTransfer;
import dev.tegu.distill.Tiny;
import dev.tegu.model.Architecture;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What stitching refuses, each with its reason, and that names survive it. */
class BlockStitchingTest {
    private static final int LAYERS = 4;

    @TempDir Path dir;

    private Path teacher;
    private Path output;

    @BeforeEach
    void writeTeacher() throws IOException {
        teacher = Blocks.teacher(dir, "teacher", LAYERS, 1);
        output = dir.resolve("student");
    }

    /** Blocks of an untrained student whose parameters have moved; training gives no others. */
    private List<Path> blocks(Path base, String preset, String folder, int... borders)
            throws IOException {
        List<Path> files = new ArrayList<>();
        Files.createDirectories(dir.resolve(folder));
        try (HuggingFaceDirectory source = HuggingFaceDirectory.open(base)) {
            ModelWriter writer = ModelWriter.student(source, Tiny.method(preset, "[]"), 3);
            try (DecoderModel model = DecoderModel.load(source, writer.model(), Device.cpu(), 3)) {
                TinyModels.disturb(model);
                for (int i = 0; i + 1 < borders.length; i++) {
                    BlockFile.Header header =
                            new BlockFile.Header(
                                    borders[i],
                                    borders[i + 1],
                                    model.layers().size(),
                                    BlockFile.digest(source),
                                    Tiny.method(preset, "[]"),
                                    "seed: 3\n");
                    Path file = dir.resolve(folder).resolve(header.fileName());
                    BlockFile.write(file, header, parameters(model, borders[i], borders[i + 1]));
                    files.add(file);
                }
            }
        }
        return files;
    }

    private static Map<String, NDArray> parameters(DecoderModel model, int from, int to) {
        Map<String, NDArray> parameters = new LinkedHashMap<>();
        try (AttentionTransfer range = new AttentionTransfer(model, from, to)) {
            range.groups().forEach(group -> parameters.putAll(group.parameters()));
        }
        return parameters;
    }

    private List<Path> good() throws IOException {
        return blocks(teacher, "lolcats", "good", 0, 2, 4);
    }

    private String refusal(List<Path> blocks) {
        return refusal(teacher, blocks);
    }

    private String refusal(Path base, List<Path> blocks) {
        CheckpointException e =
                assertThrows(
                        CheckpointException.class,
                        () -> BlockStitching.stitch(base, blocks, output));
        assertFalse(Files.exists(output), "nothing is written");
        assertEquals(1, e.getMessage().lines().count(), e.getMessage());
        return e.getMessage();
    }

    private static void assertSays(String message, String... parts) {
        for (String part : parts) {
            assertTrue(message.contains(part), "`" + part + "` in: " + message);
        }
    }

    /** The same file with other metadata or tensors. */
    private Path rewritten(Path block, Map<String, String> metadata, Map<String, String> names)
            throws IOException {
        Path other = block.resolveSibling("changed-" + block.getFileName());
        try (SafetensorsFile file = SafetensorsFile.open(block)) {
            Map<String, String> all = new HashMap<>(file.metadata());
            metadata.forEach((key, value) -> all.merge(key, value, (old, now) -> now));
            all.values().removeIf(String::isEmpty);
            Map<String, TensorSource> tensors = new TreeMap<>();
            for (String name : file.tensors().keySet()) {
                tensors.put(names.getOrDefault(name, name), TensorSource.of(file, name));
            }
            SafetensorsWriter.write(other, tensors, all);
        }
        return other;
    }

    @Test
    @DisplayName("28: blocks in any order make the student whose parameters they hold")
    void blocksInAnyOrderMakeTheStudent() throws IOException {
        List<Path> files = new ArrayList<>(good());
        Collections.reverse(files);

        BlockStitching.stitch(teacher, files, output);

        Manifest.verify(output);
        try (HuggingFaceDirectory source = HuggingFaceDirectory.open(teacher);
                DecoderModel expected =
                        DecoderModel.load(
                                source,
                                ModelWriter.student(source, Tiny.method("lolcats", "[]"), 3)
                                        .model(),
                                Device.cpu(),
                                3)) {
            TinyModels.disturb(expected);
            assertArrayEquals(TinyModels.logits(expected), TinyModels.logits(output));
        }
    }

    @Test
    @DisplayName("28: a missing block is refused with its layers")
    void aMissingBlockIsRefused() throws IOException {
        assertSays(refusal(good().subList(0, 1)), "layers 2 to 3 are in no block");
        assertSays(refusal(good().subList(1, 2)), "layers 0 to 1 are in no block");
        assertSays(
                refusal(blocks(teacher, "lolcats", "gap", 0, 1, 3).subList(1, 2)),
                "layer 0 is in no block",
                "layer 3 is in no block");
        assertSays(refusal(List.of()), "layers 0 to 3 are in no block");
    }

    @Test
    @DisplayName("28: a file that is not there is refused by its name, and so are its layers")
    void aFileThatIsNotThereIsRefused() throws IOException {
        Path absent = dir.resolve("absent.safetensors");

        String message = refusal(List.of(good().get(0), absent));

        assertSays(message, "absent.safetensors: no such file", "layers 2 to 3 are in no block");
    }

    @Test
    @DisplayName("28: a layer in two blocks is refused with both")
    void aLayerInTwoBlocksIsRefused() throws IOException {
        List<Path> files = new ArrayList<>(good());
        files.addAll(blocks(teacher, "lolcats", "more", 1, 3));

        assertSays(
                refusal(files),
                "layer 1 is in layers-00000-00001.safetensors and layers-00001-00002.safetensors",
                "layer 2 is in layers-00002-00003.safetensors and layers-00001-00002.safetensors");
    }

    @Test
    @DisplayName("28: one file named twice is refused")
    void oneFileNamedTwiceIsRefused() throws IOException {
        List<Path> files = new ArrayList<>(good());
        files.add(files.get(1));

        assertSays(refusal(files), "layers-00002-00003.safetensors: named twice");
    }

    @Test
    @DisplayName("28: a block of a model with another number of layers is refused")
    void anotherNumberOfLayersIsRefused() throws IOException {
        Path deeper = Blocks.teacher(dir, "deeper", LAYERS + 1, 1);
        List<Path> files = List.of(good().get(0), blocks(deeper, "lolcats", "deep", 2, 4).get(0));

        assertSays(
                refusal(files),
                "layers-00002-00003.safetensors: is of a model of 5 layers, the teacher has 4",
                "layers 2 to 3 are in no block");
    }

    @ParameterizedTest(name = "{0} bytes kept")
    @ValueSource(ints = {0, 7, 100, -1, -400})
    @DisplayName("28: a truncated block is refused")
    void aTruncatedBlockIsRefused(int kept) throws IOException {
        List<Path> files = good();
        byte[] whole = Files.readAllBytes(files.get(1));
        int length = kept < 0 ? whole.length + kept : kept;
        Files.write(files.get(1), Arrays.copyOf(whole, length));

        assertSays(refusal(files), "layers-00002-00003.safetensors: ", "layers 2 to 3 are in no");
    }

    @Test
    @DisplayName("28: a block with a changed bit is refused")
    void aBlockWithAChangedBitIsRefused() throws IOException {
        List<Path> files = good();
        byte[] bytes = Files.readAllBytes(files.get(0));
        bytes[bytes.length - 5] ^= 1;
        Files.write(files.get(0), bytes);

        assertSays(refusal(files), "layers-00000-00001.safetensors: its tensors have changed");
    }

    @Test
    @DisplayName("28: a block of another base model is refused, though all names and shapes fit")
    void anotherBaseModelIsRefused() throws IOException {
        Path other = Blocks.teacher(dir, "other", LAYERS, 2);
        List<Path> files = List.of(good().get(0), blocks(other, "lolcats", "alien", 2, 4).get(0));

        String message = refusal(files);

        assertSays(
                message, "layers-00002-00003.safetensors: was trained on another base model than ");
        assertFalse(message.contains("layers-00000-00001.safetensors: was"), message);
    }

    @Test
    @DisplayName("28: a base model with one other bit, or another config.json, is another one")
    void oneBitMakesAnotherBaseModel() throws IOException {
        List<Path> files = good();
        Path weights = teacher.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 5] ^= 1;
        Files.write(weights, bytes);
        assertSays(refusal(files), "another base model");
        bytes[bytes.length - 5] ^= 1;
        Files.write(weights, bytes);
        Path json = teacher.resolve("config.json");
        ObjectNode config = StrictJson.read(json);
        Files.write(json, StrictJson.toBytes(config.put("rms_norm_eps", 1e-4)));

        assertSays(refusal(files), "another base model");
    }

    @Test
    @DisplayName("28: the same base model in other files is the same one")
    void theSameBaseModelInOtherFilesIsTheSame() throws IOException {
        Path sharded = dir.resolve("sharded");
        try (HuggingFaceDirectory source = HuggingFaceDirectory.open(teacher)) {
            ModelWriter.copyOf(source).maxShardBytes(10_000).write(sharded);
        }
        assertFalse(Files.exists(sharded.resolve("model.safetensors")));

        BlockStitching.stitch(sharded, good(), output);

        Manifest.verify(output);
    }

    @Test
    @DisplayName("28: a block of another method is refused with the switches that differ")
    void anotherMethodIsRefused() throws IOException {
        List<Path> files = List.of(good().get(0), blocks(teacher, "hedgehog", "pure", 2, 4).get(0));

        String message = refusal(files);

        assertSays(
                message,
                "layers-00002-00003.safetensors: has another method than"
                        + " layers-00000-00001.safetensors: ",
                "`window` is ");
        assertFalse(message.contains("`gate` is"), message);
    }

    @Test
    @DisplayName("28: every fault is in the one message")
    void everyFaultIsInTheMessage() throws IOException {
        Path other = Blocks.teacher(dir, "other", LAYERS, 2);
        List<Path> files = new ArrayList<>(blocks(teacher, "lolcats", "one", 0, 1, 2));
        files.addAll(blocks(other, "hedgehog", "two", 2, 3));
        Files.write(files.get(1), new byte[5]);

        assertSays(
                refusal(files),
                "layers-00001-00001.safetensors: has only 5 bytes",
                "layers-00002-00002.safetensors: was trained on another base model",
                "layers-00002-00002.safetensors: has another method",
                "layer 1 is in no block",
                "layer 3 is in no block");
    }

    @Test
    @DisplayName("28: tensors that are not those of the block's layers are refused by name")
    void tensorsOfOtherLayersAreRefused() throws IOException {
        List<Path> files = new ArrayList<>();
        try (HuggingFaceDirectory source = HuggingFaceDirectory.open(teacher)) {
            ModelWriter writer = ModelWriter.student(source, Tiny.method("lolcats", "[]"), 3);
            try (DecoderModel model = DecoderModel.load(source, writer.model(), Device.cpu(), 3)) {
                Map<String, NDArray> parameters = parameters(model, 1, 4);
                parameters.put("model.layers.0.self_attn.window_factor", flat(model, 5));
                parameters.put("model.layers.01.self_attn.window_factor", flat(model, 4));
                BlockFile.Header header =
                        new BlockFile.Header(
                                0,
                                4,
                                LAYERS,
                                BlockFile.digest(source),
                                Tiny.method("lolcats", "[]"),
                                "");
                files.add(dir.resolve(header.fileName()));
                BlockFile.write(files.get(0), header, parameters);
            }
        }

        String prefix = "layers-00000-00003.safetensors: `model.layers.0";
        assertSays(
                refusal(files),
                prefix + ".self_attn.feature_map_q.weight`: missing",
                prefix + ".self_attn.window_factor`: expected F32 [4], found F32 [5]",
                prefix + "1.self_attn.window_factor`: no parameter of the block's layers");
    }

    private static NDArray flat(DecoderModel model, int size) {
        return model.manager().zeros(new Shape(size));
    }

    @Test
    @DisplayName("28: a file that is no block, or one of a newer version, is refused")
    void whatIsNoBlockIsRefused() throws IOException {
        Path block = good().get(0);

        assertSays(
                refusal(List.of(rewritten(block, Map.of("tegu_block_version", ""), Map.of()))),
                "changed-layers-00000-00001.safetensors: no file of a trained block");
        Files.delete(block.resolveSibling("changed-" + block.getFileName()));
        assertSays(
                refusal(List.of(rewritten(block, Map.of("tegu_block_version", "2"), Map.of()))),
                "block version 2, this program reads 1");
        Files.delete(block.resolveSibling("changed-" + block.getFileName()));
        assertSays(
                refusal(List.of(rewritten(block, Map.of("to_layer", "two"), Map.of()))),
                "metadata `to_layer`: expected a number, found `two`");
        Files.delete(block.resolveSibling("changed-" + block.getFileName()));
        assertSays(
                refusal(List.of(rewritten(block, Map.of("to_layer", "0"), Map.of()))),
                "layers 0 to 0 are no range");
    }

    @Test
    @DisplayName("28: a block of version 1 is read by every later version")
    void aBlockOfVersion1IsRead() throws IOException {
        Path file = dir.resolve("old.safetensors");
        String tensor = "model.layers.0.self_attn.window_factor";
        ByteBuffer values = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
        values.putFloat(1).putFloat(2).putFloat(3).putFloat(4).flip();
        Map<String, String> metadata =
                Map.of(
                        "format", "pt",
                        "tegu_block_version", "1",
                        "from_layer", "0",
                        "to_layer", "1",
                        "num_layers", "3",
                        "base_model_sha256", "ab12",
                        "method", "window: {size: 4}\nlinear_scope: outside_window\n",
                        "training", "seed: 3\n",
                        "tensors_sha256",
                                "9cd9ef2ccc6356cf477b04eb741ba51cf5cb8faed4d0a10458f6bba1b11b5705");
        SafetensorsWriter.write(
                file,
                Map.of(tensor, TensorSource.of(DType.F32, List.of(4L), () -> values)),
                metadata);

        try (BlockFile block = BlockFile.open(file)) {
            assertEquals(
                    new BlockFile.Header(
                            0,
                            1,
                            3,
                            "ab12",
                            TinyModels.spec("{window: {size: 4}, linear_scope: outside_window}"),
                            "seed: 3\n"),
                    block.header());
            assertEquals(List.of(tensor), List.copyOf(block.tensors().keySet()));
        }
    }

    @Test
    @DisplayName("28: renamed tensors are refused")
    void renamedTensorsAreRefused() throws IOException {
        Path block = good().get(0);
        String from = "model.layers.0.self_attn.window_factor";
        Path renamed =
                rewritten(block, Map.of(), Map.of(from, "model.layers.2.self_attn.window_factor"));

        assertSays(refusal(List.of(renamed)), "its tensors have changed");
    }

    @Test
    @DisplayName("28: a block that cannot be written leaves nothing")
    void aBlockThatCannotBeWrittenLeavesNothing() throws IOException {
        Path folder = Files.createDirectories(dir.resolve("out"));
        try (DecoderModel model = TinyModels.random(Tiny.config(1), 1)) {
            NDArray gone = flat(model, 3);
            gone.close();
            BlockFile.Header header =
                    new BlockFile.Header(0, 1, 1, "x", Tiny.method("lolcats", "[]"), "");

            assertThrows(
                    IllegalStateException.class,
                    () ->
                            BlockFile.write(
                                    folder.resolve("b.safetensors"), header, Map.of("p", gone)));
            Files.createDirectories(folder.resolve("taken.safetensors").resolve("x"));
            assertThrows(
                    IOException.class,
                    () -> BlockFile.write(folder.resolve("taken.safetensors"), header, Map.of()));
        }

        try (Stream<Path> left = Files.list(folder)) {
            assertEquals(
                    List.of("taken.safetensors"),
                    left.map(path -> path.getFileName().toString()).toList());
        }
    }

    @Test
    @DisplayName("28: layers from 10 on keep their numbers, 1 is not 10 nor 11")
    void layersFromTenOnKeepTheirNumbers() throws IOException {
        Path deep = Blocks.teacher(dir, "deep", 12, 1);
        List<Path> files = blocks(deep, "lolcats", "twelve", 0, 5, 10, 12);

        BlockStitching.stitch(deep, files, output);

        Map<String, float[]> found = values(output);
        Map<String, float[]> expected = new TreeMap<>();
        try (HuggingFaceDirectory source = HuggingFaceDirectory.open(deep);
                DecoderModel model =
                        DecoderModel.load(
                                source,
                                ModelWriter.student(source, Tiny.method("lolcats", "[]"), 3)
                                        .model(),
                                Device.cpu(),
                                3)) {
            TinyModels.disturb(model);
            for (int layer = 0; layer < 12; layer++) {
                String prefix = "model.layers." + layer + ".self_attn.";
                model.layers()
                        .get(layer)
                        .parameters()
                        .forEach((name, p) -> expected.put(prefix + name, p.toFloatArray()));
            }
        }
        assertEquals(36, expected.size());
        expected.forEach((name, values) -> assertArrayEquals(values, found.get(name), name));
        String name = ".self_attn.window_factor";
        for (String other : List.of("10", "11", "2")) {
            assertFalse(
                    Arrays.equals(
                            found.get("model.layers.1" + name),
                            found.get("model.layers." + other + name)),
                    "layers differ, or this test shows nothing");
        }
    }

    private static Map<String, float[]> values(Path student) throws IOException {
        Map<String, float[]> values = new TreeMap<>();
        try (SafetensorsFile file = SafetensorsFile.open(student.resolve("model.safetensors"))) {
            for (String name : file.tensors().keySet()) {
                float[] row = new float[(int) file.info(name).elementCount()];
                file.map(name).asFloatBuffer().get(row);
                values.put(name, row);
            }
        }
        return values;
    }

    @Test
    @DisplayName("28: digits in names are no layer numbers")
    void digitsInNamesAreNoLayerNumbers() {
        Architecture digits =
                ConfigBinder.bind(
                        ConfigNode.parse(
                                """
                                {model_type: gpt2, embed_tokens: h0.embed, norm: h0.norm,
                                 lm_head: head1, layer: "h0.layers1.{layer}.",
                                 attention: attn11., norms: {}, linears: {}}
                                """,
                                "test"),
                        Architecture.class);

        assertEquals("h0.layers1.1.attn11.", digits.attentionPrefix(1));
        assertEquals("h0.layers1.11.attn11.", digits.attentionPrefix(11));
        assertEquals("h0.layers1.0.attn11.", digits.attentionPrefix(0));
    }
}
