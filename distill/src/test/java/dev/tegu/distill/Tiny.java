package dev.tegu.distill;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.distill.data.CharTokenizer;
import dev.tegu.distill.data.DataFormat;
import dev.tegu.distill.data.Packed;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.StudentConfig;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Models and data of a few kilobytes, the same in every test of this module. */
public final class Tiny {
    /** Tokens of a sequence of {@link #data}. */
    static final int LENGTH = 24;

    private static final long SEED = 4;

    private Tiny() {}

    /** A Llama's config with ids for every ASCII character. */
    public static ObjectNode config(int layers) throws IOException {
        return TinyModels.config(false).put("num_hidden_layers", layers).put("vocab_size", 160);
    }

    /** A preset with a window of 4 where it has one. */
    public static AttentionSpec method(String preset, String keepSoftmax) {
        ConfigNode node = AttentionPresets.node(preset).with("keep_softmax", keepSoftmax, "test");
        if (AttentionPresets.spec(preset).window().size() > 0) {
            node = node.with("window.size", "4", "test");
        }
        return ConfigBinder.bind(node, AttentionSpec.class);
    }

    /** The model that {@link #student} is made from. */
    static DecoderModel base(int layers) throws IOException {
        return TinyModels.random(config(layers), SEED);
    }

    /** A student with the weights of {@link #base}. */
    static DecoderModel student(int layers, AttentionSpec method) throws IOException {
        return TinyModels.random(StudentConfig.of(config(layers), "test", method), SEED);
    }

    /** Settings of stage 0 from one line of YAML. */
    static MatrixOrientationSettings stage0(String yaml) {
        return ConfigBinder.bind(ConfigNode.parse(yaml, "test"), MatrixOrientationSettings.class);
    }

    /** The stages that train layers apart, by what they compare; all read {@link #LENGTH}. */
    static Objective apart(String compares, DecoderModel model, String layers) {
        String yaml = "{tokens: 1, layers: " + layers;
        return switch (compares) {
            case "outputs" -> new AttentionTransfer(model, stage1(yaml + "}"));
            case "weights" ->
                    new AttentionTransfer(
                            model, stage1(yaml + ", mse_factor: 0.0, xent_factor: 1.0}"));
            case "both" ->
                    new AttentionTransfer(
                            model, stage1(yaml + ", xent_factor: 2.0, xent_queries: 5}"));
            case "linear branch" ->
                    new AttentionTransfer(model, stage1(yaml + ", window_dropout: [0.75]}"));
            case "matrices" ->
                    new MatrixOrientation(
                            model, stage0(yaml + ", sequence_length: " + LENGTH + "}"));
            default -> throw new IllegalArgumentException(compares);
        };
    }

    /** Fixed ids, [rows, LENGTH]; each row is another text. */
    static NDArray ids(NDManager owner, int rows) {
        long[] ids = new long[rows * LENGTH];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (7L * i * i + 3L * i + 5) % 160;
        }
        return owner.create(ids, new Shape(rows, LENGTH));
    }

    /** Text of some thousand characters. */
    public static Path text(Path folder) throws IOException {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 400; i++) {
            text.append("the ").append(i * i % 97).append(" of ").append(i % 13).append("; ");
        }
        return Files.writeString(folder.resolve("train.txt"), text);
    }

    /** That text in sequences. */
    static PackedDataset data(Path folder) throws IOException {
        return Packed.load(
                List.of(text(folder)), DataFormat.TEXT, LENGTH, new CharTokenizer(true, true));
    }

    /** Sequences of a dataset. */
    static TrainingBatch batch(NDManager owner, PackedDataset data, int[] indices) {
        try (TorchScript script = Scripts.training()) {
            return TrainingBatch.of(script, owner, data, indices);
        }
    }

    /** What stage 1 says of training, from one line of YAML. */
    public static TrainingSettings transfer(String yaml) {
        return stage1(yaml).training();
    }

    /** Settings of stage 1 from one line of YAML. */
    public static AttentionTransferSettings stage1(String yaml) {
        return ConfigBinder.bind(ConfigNode.parse(yaml, "test"), AttentionTransferSettings.class);
    }

    /** Values of a model's new parameters by layer and name. */
    static Map<String, float[]> parameters(DecoderModel model) {
        Map<String, float[]> all = new LinkedHashMap<>();
        for (int i = 0; i < model.layers().size(); i++) {
            for (Map.Entry<String, NDArray> p : model.layers().get(i).parameters().entrySet()) {
                all.put(i + "." + p.getKey(), p.getValue().toFloatArray());
            }
        }
        return all;
    }
}
