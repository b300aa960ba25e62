package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.attention.AttentionPresets;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.distill.data.CharTokenizer;
import dev.tegu.distill.data.DataFormat;
import dev.tegu.distill.data.Packed;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.Engines;
import dev.tegu.engine.TorchScript;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingLoopTest {
    @TempDir Path dir;

    private static final String CONFIG =
            "{'model_type': 'llama', 'hidden_size': 16, 'intermediate_size': 24,"
                    + " 'num_hidden_layers': 2, 'num_attention_heads': 4, 'num_key_value_heads': 2,"
                    + " 'vocab_size': 160, 'tie_word_embeddings': true}";

    private final List<Double> losses = new ArrayList<>();
    private final List<Double> relative = new ArrayList<>();
    private final TrainingListener listener =
            new TrainingListener() {
                @Override
                public void stepFinished(Step step) {
                    losses.add(step.losses().total());
                    relative.clear();
                    step.losses().parts().forEach(part -> relative.add(part.relative()));
                }
            };

    private static DecoderModel student(String preset, String keepSoftmax) throws IOException {
        ObjectNode json = (ObjectNode) new ObjectMapper().readTree(CONFIG.replace('\'', '"'));
        ConfigNode node = AttentionPresets.node(preset).with("keep_softmax", keepSoftmax, "test");
        if (AttentionPresets.spec(preset).window().size() > 0) {
            node = node.with("window.size", "4", "test");
        }
        AttentionSpec spec = ConfigBinder.bind(node, AttentionSpec.class);
        ModelConfig config = ModelConfig.parse(json, "test").withLinearAttention(Optional.of(spec));
        return DecoderModel.random(config, Device.cpu(), 7);
    }

    private PackedDataset data() throws IOException {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 400; i++) {
            text.append("the ").append(i * i % 97).append(" of ").append(i % 13).append("; ");
        }
        Path file = dir.resolve("train.txt");
        Files.writeString(file, text);
        return Packed.load(List.of(file), DataFormat.TEXT, 24, new CharTokenizer(true, true));
    }

    private static TrainingSettings settings(int steps, int saveEvery) {
        return ConfigBinder.bind(
                        ConfigNode.parse(
                                "{tokens: "
                                        + steps * 48
                                        + ", batch_size: 2, learning_rate: 1e-2, log_every: 1, save_every: "
                                        + saveEvery
                                        + "}",
                                "test"),
                        AttentionTransferSettings.class)
                .training();
    }

    private StageCheckpoints checkpoints(String name) {
        return new StageCheckpoints(dir.resolve(name), Map.of("method", "x"));
    }

    private void train(DecoderModel model, Objective objective, TrainingSettings s, String name)
            throws IOException {
        new TrainingLoop(data(), Optional.empty(), s, 3, listener)
                .run(objective, model.manager(), checkpoints(name));
    }

    private static Map<String, float[]> parameters(DecoderModel model) {
        Map<String, float[]> all = new LinkedHashMap<>();
        for (int i = 0; i < model.layers().size(); i++) {
            for (Map.Entry<String, NDArray> p : model.layers().get(i).parameters().entrySet()) {
                all.put(i + "." + p.getKey(), p.getValue().toFloatArray());
            }
        }
        return all;
    }

    private static void assertSame(Map<String, float[]> expected, Map<String, float[]> found) {
        assertEquals(expected.keySet(), found.keySet());
        expected.forEach((name, values) -> assertArrayEquals(values, found.get(name), 0f, name));
    }

    @Test
    void transferBringsTheStudentNearTheTeacherAndLeavesTheTeacherAlone() throws IOException {
        try (DecoderModel model = student("lizard", "[]");
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            float[] before = model.layers().get(0).weights().get("q_proj.weight").toFloatArray();
            train(model, transfer, settings(1, 0), "first");
            int live = model.manager().getManagedArrays().size();
            losses.clear();

            train(model, transfer, settings(60, 0), "a");

            assertTrue(losses.get(59) < 0.5 * losses.get(0), losses.get(0) + " " + losses.get(59));
            assertTrue(relative.get(1) < 1, relative.toString());
            DecoderLayer first = model.layers().get(0);
            assertArrayEquals(before, first.weights().get("q_proj.weight").toFloatArray(), 0f);
            assertEquals(live, model.manager().getManagedArrays().size());
        }
    }

    @Test
    void twelveStepsEqualSixResumedAndSixToTheBit() throws IOException {
        Map<String, float[]> inOneGo;
        try (DecoderModel model = student("lolcats", "[]");
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            train(model, transfer, settings(12, 6), "whole");
            inOneGo = parameters(model);
        }
        List<Double> expected = List.copyOf(losses);
        losses.clear();

        TrainingListener stop =
                new TrainingListener() {
                    @Override
                    public void stepFinished(Step step) {
                        losses.add(step.losses().total());
                        if (step.step() == 8) {
                            throw new IllegalStateException("pulled the plug");
                        }
                    }
                };
        try (DecoderModel model = student("lolcats", "[]");
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            TrainingLoop loop =
                    new TrainingLoop(data(), Optional.empty(), settings(12, 6), 3, stop);
            assertThrows(
                    IllegalStateException.class,
                    () -> loop.run(transfer, model.manager(), checkpoints("parts")));
        }
        assertEquals(6, checkpoints("parts").lastStep());
        losses.subList(6, losses.size()).clear();
        try (DecoderModel model = student("lolcats", "[]");
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            train(model, transfer, settings(12, 6), "parts");

            assertSame(inOneGo, parameters(model));
        }
        assertEquals(expected, losses);
    }

    @Test
    void aLayerTrainedAloneTakesTheStepsItTakesAmongOthers() throws IOException {
        float[] together;
        try (DecoderModel model = student("lolcats", "[]");
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            train(model, transfer, settings(5, 0), "together");
            together = parameters(model).get("1.feature_map_k.weight");
        }
        try (DecoderModel model = student("lolcats", "[0]");
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            train(model, transfer, settings(5, 0), "alone");

            assertArrayEquals(together, parameters(model).get("1.feature_map_k.weight"), 0f);
        }
    }

    @Test
    void aCheckpointOfOtherSettingsIsRefusedWithTheDifference() throws IOException {
        try (DecoderModel model = student("lolcats", "[]");
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            train(model, transfer, settings(2, 0), "a");

            TrainingLoop loop =
                    new TrainingLoop(data(), Optional.empty(), settings(4, 0), 3, listener);
            StageCheckpoints other = new StageCheckpoints(dir.resolve("a"), Map.of("method", "y"));
            CheckpointException e =
                    assertThrows(
                            CheckpointException.class,
                            () -> loop.run(transfer, model.manager(), other));

            assertTrue(e.getMessage().contains("method: was x, is y"), e.getMessage());
        }
    }

    @Test
    void everyWeightLearnsFromScratch() throws IOException {
        try (DecoderModel model = student("no-attention", "[0, 1]")) {
            Map<String, NDArray> weights = new LinkedHashMap<>();
            weights.put("embed", model.ends().get(0));
            weights.put("norm", model.ends().get(1));
            for (int i = 0; i < 2; i++) {
                int layer = i;
                model.layers()
                        .get(i)
                        .weights()
                        .forEach((name, weight) -> weights.put(layer + name, weight));
            }

            train(model, new NextToken("pretrain", model, weights, 0), settings(150, 0), "scratch");

            assertTrue(losses.get(0) > 4.5, "uniform over 160 would be 5.07: " + losses.get(0));
            assertTrue(losses.get(149) < 2.5, "after 150 steps " + losses.get(149));
        }
    }

    @Test
    void adamWTakesTheStepsOfItsFormula() {
        TrainingSettings settings =
                ConfigBinder.bind(
                                ConfigNode.parse(
                                        "{tokens: 1, learning_rate: 0.1, weight_decay: 0.1, max_grad_norm: 1.0}",
                                        "test"),
                                AttentionTransferSettings.class)
                        .training();
        try (NDManager manager = Engines.newManager(Device.cpu());
                TorchScript script = Scripts.training()) {
            NDArray p = manager.create(new float[] {1, -2});
            p.setRequiresGradient(true);
            double[] x = {1, -2};
            double[] m = new double[2];
            double[] v = new double[2];
            try (AdamW adamw =
                    new AdamW(
                            script,
                            manager,
                            List.of(new ParameterGroup("p", Map.of("p", p))),
                            settings)) {
                for (int step = 0; step < 3; step++) {
                    try (GradientCollector collector =
                            Engine.getEngine("PyTorch").newGradientCollector()) {
                        collector.backward(p.mul(p).sum());
                    }
                    double norm = Math.hypot(2 * x[0], 2 * x[1]);

                    NDArray norms = adamw.norms(manager, 1);
                    assertEquals(norm, norms.toFloatArray()[0], 1e-4);
                    adamw.step(0, step, 1, norms, manager.ones(new Shape(1)), 1);

                    for (int i = 0; i < 2; i++) {
                        double g = 2 * x[i] * Math.min(1, 1 / (norm + 1e-6));
                        m[i] = 0.9 * m[i] + 0.1 * g;
                        v[i] = 0.999 * v[i] + 0.001 * g * g;
                        x[i] *= 1 - 0.1 * 0.1;
                        double root = Math.sqrt(v[i] / (1 - Math.pow(0.999, step + 1)));
                        x[i] -= 0.1 * m[i] / (1 - Math.pow(0.9, step + 1)) / (root + 1e-8);
                    }
                    assertArrayEquals(
                            new float[] {(float) x[0], (float) x[1]}, p.toFloatArray(), 1e-4f);
                }
            }
        }
    }
}
