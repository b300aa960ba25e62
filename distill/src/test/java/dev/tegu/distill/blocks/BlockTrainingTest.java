package dev.tegu.distill.blocks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.config.ConfigException;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.AttentionTransfer;
import dev.tegu.distill.Losses;
import dev.tegu.distill.StageCheckpoints;
import dev.tegu.distill.TrainingBatch;
import dev.tegu.distill.TrainingLoop;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.data.TrainingData;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Blocks trained apart are the model trained whole. */
class BlockTrainingTest {
    private static final int LAYERS = 5;

    @TempDir Path dir;

    private Path teacher;

    @BeforeEach
    void writeTeacher() throws IOException {
        teacher = Blocks.teacher(dir, "teacher", LAYERS, 1);
    }

    /** The student of stage 1 over all layers, as a run without blocks writes it. */
    private Path joint(BlockRequest request) throws IOException {
        Path output = dir.resolve("joint");
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher);
                HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(teacher)) {
            ModelWriter writer = ModelWriter.student(files, request.method(), request.seed());
            PackedDataset data =
                    TrainingData.load(request.data(), tokenizer, dir.resolve("tokens")).train();
            try (DecoderModel model =
                            DecoderModel.load(files, writer.model(), Device.cpu(), request.seed());
                    AttentionTransfer transfer = new AttentionTransfer(model)) {
                new TrainingLoop(
                                data,
                                Optional.empty(),
                                request.attentionTransfer().training(),
                                request.seed(),
                                Blocks.SILENT)
                        .run(
                                transfer,
                                model.manager(),
                                new StageCheckpoints(dir.resolve("joint-checkpoints"), Map.of()));
                writer.parameters(model).write(output);
            }
        }
        return output;
    }

    @ParameterizedTest(name = "{0} layers a block")
    @ValueSource(ints = {LAYERS, 1, 2, 3})
    @DisplayName("27: blocks of any length stitch to the files of joint training, byte for byte")
    void blocksStitchToTheFilesOfJointTraining(int length) throws IOException {
        BlockRequest request = Blocks.request(teacher, "[]");
        List<Path> blocks = Blocks.train(request, LAYERS, length, dir.resolve("blocks"));
        Path stitched = dir.resolve("stitched");

        BlockStitching.stitch(teacher, blocks, stitched);

        assertEquals((LAYERS + length - 1) / length, blocks.size());
        Manifest.verify(stitched);
        assertEquals(Manifest.read(joint(request)), Manifest.read(stitched));
        assertTrue(
                TinyModels.distance(TinyModels.logits(stitched), untrainedLogits(request)) > 1e-3,
                "training has done something");
    }

    private float[] untrainedLogits(BlockRequest request) throws IOException {
        Path untrained = dir.resolve("untrained");
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter.student(files, request.method(), request.seed()).write(untrained);
        }
        return TinyModels.logits(untrained);
    }

    @Test
    @DisplayName("27: layers that stay softmax are covered by blocks and have no tensors")
    void softmaxLayersAreCoveredAndHaveNoTensors() throws IOException {
        BlockRequest request = Blocks.request(teacher, "[0, 3, 4]");
        List<Path> blocks = Blocks.train(request, LAYERS, 3, dir.resolve("blocks"));

        BlockStitching.stitch(teacher, blocks, dir.resolve("stitched"));

        assertEquals(Manifest.read(joint(request)), Manifest.read(dir.resolve("stitched")));
        try (SafetensorsFile last = SafetensorsFile.open(blocks.get(1))) {
            assertEquals(0, last.tensors().size());
        }
    }

    @ParameterizedTest(name = "{0} layers, {1} a block")
    @CsvSource({
        "5, 5, 0-5",
        "5, 2, 0-2 2-4 4-5",
        "4, 2, 0-2 2-4",
        "2, 9, 0-2",
        "3, 1, 0-1 1-2 2-3"
    })
    @DisplayName("27: the last block is shorter where the length does not divide the layers")
    void theLastBlockIsShorter(int layers, int length, String expected) throws IOException {
        List<String> ranges =
                Blocks.request(teacher, "[]").split(layers, length).stream()
                        .map(block -> block.fromLayer() + "-" + block.toLayer())
                        .toList();

        assertEquals(expected, String.join(" ", ranges));
    }

    @Test
    @DisplayName("27: every layer of a block sees the residual stream before the norm")
    void everyLayerSeesTheResidualStreamBeforeTheNorm() throws IOException {
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher);
                DecoderModel model =
                        DecoderModel.load(
                                files,
                                ModelWriter.student(
                                                files, Blocks.request(teacher, "[]").method(), 5)
                                        .model(),
                                Device.cpu(),
                                5);
                AttentionTransfer all = new AttentionTransfer(model);
                AttentionTransfer block = new AttentionTransfer(model, 2, 5);
                NDManager scope = model.manager().newSubManager()) {
            long[] ids = new long[24];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = 48 + 5L * i % 70;
            }
            NDArray row = scope.create(new long[][] {ids});
            NDArray labels = scope.create(new long[][] {ids});
            TrainingBatch batch = TrainingBatch.of(row, labels);
            List<Losses.Part> allParts = all.loss(batch).parts();
            List<Losses.Part> blockParts = block.loss(batch).parts();

            assertEquals(allParts.subList(2, LAYERS), blockParts);
            blockParts.forEach(part -> assertTrue(part.relative() > 0));
        }
    }

    @Test
    @DisplayName("27: a block that was killed goes on to the same file")
    void aKilledBlockGoesOnToTheSameFile() throws IOException {
        String often =
                Blocks.request(teacher, "[]")
                        .withLayers(1, 3)
                        .toYaml()
                        .replace("save_every: 200", "save_every: 2")
                        .replace("log_every: 10", "log_every: 3");
        BlockRequest request = BlockRequest.parse(often, "test");
        byte[] inOneGo =
                Files.readAllBytes(
                        BlockTraining.train(request, dir.resolve("whole"), Blocks.SILENT));
        TrainingListener plug =
                new TrainingListener() {
                    @Override
                    public void stepFinished(Step step) {
                        if (step.step() == 3) {
                            throw new IllegalStateException("pulled the plug");
                        }
                    }
                };
        Path output = dir.resolve("killed");
        assertThrows(IllegalStateException.class, () -> BlockTraining.train(request, output, plug));
        assertEquals(List.of(), BlockStitching.blocksIn(output));
        List<Long> resumedAt = new ArrayList<>();
        TrainingListener notes =
                new TrainingListener() {
                    @Override
                    public void stageStarted(Stage stage) {
                        resumedAt.add(stage.doneSteps());
                    }
                };

        Path block = BlockTraining.train(request, output, notes);

        assertEquals(List.of(2L), resumedAt);
        assertArrayEquals(inOneGo, Files.readAllBytes(block));
    }

    @Test
    @DisplayName("27: a request is text that reads back equal")
    void aRequestIsText() throws IOException {
        BlockRequest request = Blocks.request(teacher, "[1]").withLayers(2, 4);

        assertEquals(request, BlockRequest.parse(request.toYaml(), "test"));
        ConfigException e =
                assertThrows(
                        ConfigException.class,
                        () ->
                                BlockRequest.parse(
                                        request.toYaml().replace("to_layer: 4", "to_layer: 2"),
                                        "test"));
        assertEquals("to_layer", e.problems().get(0).path());
        String measuring = request.toYaml().replace("validate_every: 0", "validate_every: 5");
        ConfigException unmeasured =
                assertThrows(ConfigException.class, () -> BlockRequest.parse(measuring, "test"));
        assertEquals("attention_transfer.validate_every", unmeasured.problems().get(0).path());
        String partly = request.toYaml().replace("layers: []", "layers: [2]");
        ConfigException part =
                assertThrows(ConfigException.class, () -> BlockRequest.parse(partly, "test"));
        assertEquals("attention_transfer.layers", part.problems().get(0).path());
    }

    @Test
    @DisplayName("28: layers that the teacher does not have are refused before training")
    void layersThatTheTeacherDoesNotHaveAreRefused() throws IOException {
        BlockRequest request = Blocks.request(teacher, "[]").withLayers(4, LAYERS + 1);

        InvalidValueException e =
                assertThrows(
                        InvalidValueException.class,
                        () -> BlockTraining.train(request, dir.resolve("out"), Blocks.SILENT));

        assertTrue(e.getMessage().contains("at most 5"), e.getMessage());
        assertFalse(Files.exists(dir.resolve("out")));
    }

    @Test
    @DisplayName("28: a student is no teacher of blocks")
    void aStudentIsNoTeacher() throws IOException {
        BlockRequest request = Blocks.request(teacher, "[]");
        Path student = dir.resolve("student");
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelWriter.student(files, request.method(), 1).write(student);
        }
        BlockRequest wrong = Blocks.request(student, "[]");

        CheckpointException e =
                assertThrows(
                        CheckpointException.class,
                        () -> BlockTraining.train(wrong, dir.resolve("out"), Blocks.SILENT));

        assertTrue(e.getMessage().contains("student"), e.getMessage());
    }
}
