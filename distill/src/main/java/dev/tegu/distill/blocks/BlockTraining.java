package dev.tegu.distill.blocks;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DirectoryLock;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.AttentionTransfer;
import dev.tegu.distill.StageCheckpoints;
import dev.tegu.distill.TrainingLoop;
import dev.tegu.distill.data.TrainingData;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.Engines;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelWriter;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Trains one block of layers by attention transfer and leaves it as a file.
 *
 * <p>In attention transfer every layer is a problem of its own, clipping included, so a layer takes
 * the same steps to the same bits in whatever block it is trained. Not so with {@code scheduler:
 * plateau} and {@code keep_best}, which go by the mean loss of the layers trained together.
 *
 * <p>The teacher's layers under the block run at each step; its weights are all opened. One process
 * trains one block at a time, since there is one gradient collector in a process.
 */
public final class BlockTraining {
    private BlockTraining() {}

    /**
     * Trains a block, or goes on with it where an earlier run of the same request was stopped.
     *
     * @param output folder of the results, shared by all blocks of a model: {@code
     *     layers-FIRST-LAST.safetensors} is the block, {@code checkpoints/} holds the states from
     *     which a stopped run goes on, {@code data/} the tokens, which all blocks read
     * @return the block's file; one of an earlier run is replaced
     * @throws CheckpointException if the teacher is no whole model that Tegu knows, or is a student
     *     already
     * @throws InvalidValueException if the teacher has no such layers
     * @throws dev.tegu.distill.data.DataException if the data cannot be read
     */
    public static Path train(BlockRequest request, Path output, TrainingListener listener)
            throws IOException {
        Path teacher = Path.of(request.teacher());
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            ModelConfig config =
                    ModelWriter.student(files, request.method(), request.seed()).model();
            if (request.toLayer() > config.numLayers()) {
                throw new InvalidValueException(
                        "to_layer",
                        ("expected at most " + config.numLayers() + ", the layers of " + teacher)
                                + (", found " + request.toLayer()));
            }
            BlockFile.Header header =
                    new BlockFile.Header(
                            request.fromLayer(),
                            request.toLayer(),
                            config.numLayers(),
                            BlockFile.digest(files),
                            request.method(),
                            training(request));
            Path target = output.resolve(header.fileName());
            Files.createDirectories(output);
            Device device = Engines.device(request.device());
            try (DecoderModel model = DecoderModel.load(files, config, device, request.seed());
                    AttentionTransfer transfer =
                            new AttentionTransfer(
                                    model,
                                    request.attentionTransfer(),
                                    request.fromLayer(),
                                    request.toLayer())) {
                Map<String, NDArray> parameters = new LinkedHashMap<>();
                transfer.groups().forEach(group -> parameters.putAll(group.parameters()));
                if (!parameters.isEmpty()) {
                    Path states =
                            output.resolve("checkpoints")
                                    .resolve(header.fileName().replace(".safetensors", ""));
                    try (DirectoryLock lock = DirectoryLock.take(states)) {
                        TrainingData data = data(request, teacher, output.resolve("data"));
                        new TrainingLoop(
                                        data.train(),
                                        data.validation(),
                                        request.attentionTransfer().training(),
                                        request.seed(),
                                        listener)
                                .run(
                                        transfer,
                                        model.manager(),
                                        new StageCheckpoints(
                                                lock.directory(), identity(request, header, data)));
                    }
                }
                BlockFile.write(target, header, parameters);
            }
            return target;
        }
    }

    private static TrainingData data(BlockRequest request, Path teacher, Path dir)
            throws IOException {
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(teacher)) {
            return TrainingData.load(request.data(), tokenizer, dir);
        }
    }

    /** Settings that decide the values of the parameters, beside teacher and method. */
    private static String training(BlockRequest request) {
        Map<String, Object> all = ConfigBinder.toMap(request);
        all.keySet().retainAll(List.of("data", "attention_transfer", "seed"));
        return ConfigNode.of(all, "request").toYaml();
    }

    /** What a checkpoint of a block belongs to. */
    private static Map<String, String> identity(
            BlockRequest request, BlockFile.Header header, TrainingData data) {
        Map<String, String> identity = new TreeMap<>();
        identity.put("base_model_sha256", header.baseModel());
        identity.put("method", ConfigBinder.toMap(request.method()).toString());
        identity.put("layers", request.fromLayer() + " to " + request.toLayer());
        identity.put("training", header.training());
        identity.put("data", data.train().digest());
        return identity;
    }
}
