package dev.tegu.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.SafetensorsFile;
import dev.tegu.checkpoint.StrictJson;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.InvalidValueException;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LoraAdaptersTest {
    @TempDir Path dir;

    private static DecoderModel model() throws IOException {
        return TinyModels.random(TinyModels.config(false), 2);
    }

    private static Map<String, float[]> values(LoraAdapters adapters) {
        Map<String, float[]> values = new LinkedHashMap<>();
        adapters.parameters().forEach((name, array) -> values.put(name, array.toFloatArray()));
        return values;
    }

    @Test
    void namesAndShapesArePefts() throws IOException {
        try (DecoderModel model = model()) {
            LoraAdapters adapters = LoraAdapters.create(model, Students.TWO, 1);

            Map<String, Shape> shapes = new LinkedHashMap<>();
            adapters.parameters().forEach((name, array) -> shapes.put(name, array.getShape()));
            Map<String, Shape> expected = new LinkedHashMap<>();
            for (int layer = 0; layer < 3; layer++) {
                String prefix = "base_model.model.model.layers." + layer + ".";
                expected.put(prefix + "self_attn.q_proj.lora_A.weight", new Shape(2, 16));
                expected.put(prefix + "self_attn.q_proj.lora_B.weight", new Shape(16, 2));
                expected.put(prefix + "mlp.down_proj.lora_A.weight", new Shape(2, 24));
                expected.put(prefix + "mlp.down_proj.lora_B.weight", new Shape(16, 2));
            }
            assertEquals(expected, shapes);
            assertEquals(
                    List.copyOf(expected.keySet()), List.copyOf(adapters.parameters().keySet()));
        }
    }

    @Test
    @DisplayName("24: B = 0 gives the same output to the bit at the start")
    void freshAdaptersChangeNothingAndTrainedOnesDo() throws IOException {
        try (DecoderModel model = model()) {
            float[] before = TinyModels.logits(model);

            LoraAdapters adapters = LoraAdapters.create(model, Students.ALL, 1);
            float[] fresh = TinyModels.logits(model);
            Students.train(adapters);
            float[] trained = TinyModels.logits(model);

            assertArrayEquals(before, fresh);
            assertTrue(TinyModels.distance(before, trained) > 1e-2);
        }
    }

    @Test
    @DisplayName("24: without settings the targets are the attention's projections alone")
    void targetsAreTheAttentionsProjections() throws IOException {
        LoraSettings defaults =
                ConfigBinder.bind(ConfigNode.parse("{}", "test"), LoraSettings.class);
        try (DecoderModel model = model()) {
            LoraAdapters adapters = LoraAdapters.create(model, defaults, 1);

            Set<String> modules = new TreeSet<>();
            for (String name : adapters.parameters().keySet()) {
                modules.add(
                        name.replaceFirst(".*layers\\.[0-9]+\\.", "").replaceAll("\\.lora.*", ""));
            }
            assertEquals(
                    Set.of(
                            "self_attn.q_proj",
                            "self_attn.k_proj",
                            "self_attn.v_proj",
                            "self_attn.o_proj"),
                    modules);
            assertEquals(3 * 4 * 2, adapters.parameters().size());
        }
    }

    @Test
    @DisplayName("24: k and v adapters have the width of the key heads under grouped queries")
    void keyAndValueAdaptersHaveTheWidthOfTheKeyHeads() throws IOException {
        try (DecoderModel model = model()) {
            LoraAdapters adapters =
                    LoraAdapters.create(
                            model,
                            new LoraSettings(3, 6, List.of("q_proj", "k_proj", "v_proj", "o_proj")),
                            1);

            // 4 query heads and 2 key heads of width 4, hidden width 16
            Map<String, Long> rowsOfB =
                    Map.of("q_proj", 16L, "k_proj", 8L, "v_proj", 8L, "o_proj", 16L);
            rowsOfB.forEach(
                    (module, rows) -> {
                        String name = "base_model.model.model.layers.2.self_attn." + module;
                        Map<String, NDArray> all = adapters.parameters();
                        assertEquals(new Shape(3, 16), all.get(name + ".lora_A.weight").getShape());
                        assertEquals(
                                new Shape(rows, 3), all.get(name + ".lora_B.weight").getShape());
                    });
            Students.train(adapters);
            assertEquals(2L * TinyModels.TOKENS * 40, TinyModels.logits(model).length);
        }
    }

    @Test
    void everyAdapterHasAnEffectOfItsOwn() throws IOException {
        try (DecoderModel model = model()) {
            LoraAdapters adapters = LoraAdapters.create(model, Students.ALL, 1);
            float[] before = TinyModels.logits(model);

            for (Map.Entry<String, NDArray> parameter : adapters.parameters().entrySet()) {
                if (parameter.getKey().contains("lora_B")) {
                    parameter.getValue().addi(1f);
                    double off = TinyModels.distance(before, TinyModels.logits(model));
                    assertTrue(off > 1e-4, parameter.getKey() + " changes " + off);
                    parameter.getValue().subi(1f);
                }
            }
            assertEquals(0, TinyModels.distance(before, TinyModels.logits(model)), 1e-6);
        }
    }

    @Test
    void startIsUniformAndIndependentOfTheOtherModules() throws IOException {
        Map<String, float[]> all;
        Map<String, float[]> two;
        Map<String, float[]> other;
        try (DecoderModel a = model();
                DecoderModel b = model();
                DecoderModel c = model()) {
            all = values(LoraAdapters.create(a, new LoraSettings(8, 16, Students.LLAMA), 1));
            two =
                    values(
                            LoraAdapters.create(
                                    b, new LoraSettings(8, 16, List.of("down_proj", "q_proj")), 1));
            other =
                    values(
                            LoraAdapters.create(
                                    c, new LoraSettings(8, 16, List.of("down_proj", "q_proj")), 2));
        }

        two.forEach((name, values) -> assertArrayEquals(all.get(name), values, name));
        int adapters = 0;
        Set<Float> firsts = new HashSet<>();
        for (Map.Entry<String, float[]> parameter : all.entrySet()) {
            float[] values = parameter.getValue();
            if (parameter.getKey().contains("lora_B")) {
                assertArrayEquals(new float[values.length], values);
                continue;
            }
            double bound = 1 / Math.sqrt(values.length / 8.0);
            double largest = 0;
            double squares = 0;
            for (float value : values) {
                largest = Math.max(largest, Math.abs(value));
                squares += value * value;
            }
            assertTrue(largest <= bound && largest > 0.9 * bound, parameter.getKey());
            assertEquals(bound * bound / 3, squares / values.length, bound * bound / 8);
            firsts.add(values[0]);
            adapters++;
        }
        assertEquals(21, adapters);
        assertEquals(21, firsts.size(), "no two adapters start alike");
        String name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
        assertFalse(Arrays.equals(two.get(name), other.get(name)));
    }

    @Test
    void gradientsReachAAndBWhenAsked() throws IOException {
        try (DecoderModel model = model();
                NDManager scope = model.manager().newSubManager()) {
            LoraAdapters adapters = LoraAdapters.create(model, Students.ALL, 1);
            Students.train(adapters);
            adapters.setRequiresGradient(true);
            NDArray ids = scope.create(new long[] {1, 2, 3, 4, 5, 6}, new Shape(1, 6));

            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                collector.backward(model.crossEntropy(model.forward(ids), ids));
            }

            adapters.parameters()
                    .forEach(
                            (name, array) -> {
                                try (NDArray gradient = array.getGradient()) {
                                    float largest = gradient.abs().max().getFloat();
                                    assertTrue(largest > 0, name + ": " + largest);
                                }
                            });
        }
    }

    @Test
    void savedAdaptersComeBackBitForBit() throws IOException {
        Path saved = dir.resolve("adapters");
        Map<String, float[]> expected;
        float[] logits;
        try (DecoderModel model = model()) {
            LoraAdapters adapters = LoraAdapters.create(model, Students.TWO, 1);
            Students.train(adapters);
            adapters.setRequiresGradient(true);
            adapters.save(saved, "the/model");
            expected = values(adapters);
            logits = TinyModels.logits(model);
            List<String> before = List.of(saved.toFile().list());
            assertThrows(CheckpointException.class, () -> adapters.save(saved, "the/model"));
            assertEquals(before, List.of(saved.toFile().list()));
        }

        try (DecoderModel model = model()) {
            LoraAdapters adapters = LoraAdapters.load(model, saved);

            assertEquals(Students.TWO, adapters.settings());
            Map<String, float[]> found = values(adapters);
            assertEquals(List.copyOf(expected.keySet()), List.copyOf(found.keySet()));
            expected.forEach((name, values) -> assertArrayEquals(values, found.get(name), name));
            assertArrayEquals(logits, TinyModels.logits(model));
            // Loaded adapters can be trained on.
            adapters.parameters().values().forEach(array -> array.addi(1f));
            assertThrows(IllegalStateException.class, () -> LoraAdapters.load(model, saved));
        }
        assertEquals(
                "the/model",
                StrictJson.read(saved.resolve("adapter_config.json"))
                        .get("base_model_name_or_path")
                        .asText());
        try (SafetensorsFile file =
                SafetensorsFile.open(saved.resolve("adapter_model.safetensors"))) {
            assertEquals(expected.keySet(), file.tensors().keySet());
            assertEquals(Map.of("format", "pt"), file.metadata());
            file.tensors().values().forEach(info -> assertEquals(DType.F32, info.dtype()));
        }
    }

    @Test
    void adaptersThatDoNotFitAreDescribedInOneMessage() throws IOException {
        Path saved = dir.resolve("adapters");
        try (DecoderModel model = model()) {
            LoraAdapters.create(model, Students.TWO, 1).save(saved, "m");
        }
        ObjectNode config = StrictJson.read(saved.resolve("adapter_config.json"));
        config.putArray("target_modules").add("q_proj").add("up_proj");
        Files.write(saved.resolve("adapter_config.json"), StrictJson.toBytes(config));
        ObjectNode wider = TinyModels.config(false);
        wider.put("num_hidden_layers", 1).put("head_dim", 8);

        try (DecoderModel model = TinyModels.random(wider, 1)) {
            CheckpointException e =
                    assertThrows(CheckpointException.class, () -> LoraAdapters.load(model, saved));

            String prefix = "`base_model.model.model.layers.";
            for (String part :
                    List.of(
                            prefix + "0.mlp.up_proj.lora_A.weight`: missing",
                            prefix
                                    + "0.self_attn.q_proj.lora_B.weight`: expected shape [32, 2],"
                                    + " found [16, 2]",
                            prefix + "0.mlp.down_proj.lora_A.weight`: unexpected",
                            "; and 5 more")) {
                assertTrue(e.getMessage().contains(part), e.getMessage());
            }
            Files.delete(saved.resolve("adapter_config.json"));
            CheckpointException absent =
                    assertThrows(CheckpointException.class, () -> LoraAdapters.load(model, saved));
            assertTrue(absent.getMessage().contains("no adapter_config.json"));
            // A refused adapter leaves the model as it was.
            LoraAdapters.create(model, Students.TWO, 1);
        }
    }

    @Test
    void secondSetOfAdaptersIsRefused() throws IOException {
        try (DecoderModel model = model()) {
            LoraAdapters.create(model, Students.TWO, 1);

            assertThrows(
                    IllegalStateException.class, () -> LoraAdapters.create(model, Students.ALL, 1));
            assertThrows(InvalidValueException.class, () -> new LoraSettings(1, 1, List.of("x")));
        }
    }

    @Test
    @DisplayName("24: dropout is off unless asked for, and off again afterwards")
    void dropoutIsOffUnlessAskedFor() throws IOException {
        try (DecoderModel model = model()) {
            Students.train(LoraAdapters.create(model, Students.ALL, 1));
            float[] before = TinyModels.logits(model);
            try (NDArray half = model.manager().create(0.5f)) {
                model.layers().forEach(layer -> layer.dropAdapterInputs(half));
                float[] dropped = TinyModels.logits(model);
                model.layers().forEach(DecoderLayer::keepAdapterInputs);

                assertTrue(TinyModels.distance(before, dropped) > 1e-3);
                assertArrayEquals(before, TinyModels.logits(model));
            }
        }
    }

    @Test
    @DisplayName("24: a merged weight is W + scale B A")
    void mergedWeightIsWeightPlusScaledProduct() throws IOException {
        try (DecoderModel model = model();
                NDManager scope = model.manager().newSubManager()) {
            NDArray weight = scope.create(new float[] {1, 2, 3, 4, 5, 6}, new Shape(2, 3));
            NDArray a = scope.create(new float[] {1, 0, 2}, new Shape(1, 3));
            NDArray b = scope.create(new float[] {10, 100}, new Shape(2, 1));

            NDArray merged = LoraAdapters.mergedWeight(weight, a, b, 0.5);

            assertArrayEquals(new float[] {6, 2, 13, 54, 5, 106}, merged.toFloatArray());
            assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, weight.toFloatArray());
        }
    }
}
