package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.config.ConfigException;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What stage 2 trains, and what it leaves alone. */
class FinetuneTest {
    @TempDir Path dir;

    private Map<String, Double> train(DecoderModel model, Objective objective, String name)
            throws IOException {
        Map<String, Double> last = new LinkedHashMap<>();
        TrainingListener listener =
                new TrainingListener() {
                    @Override
                    public void stepFinished(Step step) {
                        step.losses().parts().forEach(part -> last.put(part.name(), part.loss()));
                    }
                };
        new TrainingLoop(
                        Tiny.data(dir),
                        Optional.empty(),
                        Stage2.settings(
                                        "{tokens: 192, batch_size: 2, learning_rate: 0.01,"
                                                + " log_every: 1}")
                                .training(),
                        3,
                        listener)
                .run(objective, model.manager(), new StageCheckpoints(dir.resolve(name), Map.of()));
        return last;
    }

    private static Map<String, float[]> values(
            DecoderModel model, Optional<LoraAdapters> adapters) {
        Map<String, NDArray> arrays = TrainedParameters.everything(model);
        adapters.ifPresent(a -> arrays.putAll(a.parameters()));
        Map<String, float[]> values = new LinkedHashMap<>();
        arrays.forEach((name, array) -> values.put(name, array.toFloatArray()));
        return values;
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "[lora] | lora",
                "[lora, feature_map] | lora feature_map",
                "[lora, gate] | lora gate",
                "[feature_map, window_factor] | feature_map",
                "[alpha, sinks] | alpha sinks",
                "[weight] | weight",
                "[weight, feature_map, gate, alpha] | weight feature_map gate alpha",
                "[output_norm, lora] | lora"
            })
    void kindsThatAreNamedMoveAndOthersDoNot(String trains, String moving) throws IOException {
        try (DecoderModel model = Tiny.student(2, Tiny.method("lizard", "[]"))) {
            LoraFinetuneSettings settings = Stage2.settings("{tokens: 1, trains: " + trains + "}");
            Optional<LoraAdapters> adapters = Stage2.adapters(model, settings);
            Map<String, float[]> before = values(model, adapters);

            train(model, NextToken.finetune(settings, model, adapters), "a");

            Set<String> moved = new TreeSet<>();
            values(model, adapters)
                    .forEach(
                            (name, now) -> {
                                String kind = ParameterKind.of(name).word();
                                boolean same = Arrays.equals(before.get(name), now);
                                if (!same) {
                                    moved.add(kind);
                                }
                                assertEquals(!moving.contains(kind), same, name);
                            });
            assertEquals(new TreeSet<>(List.of(moving.split(" "))), moved);
        }
    }

    @Test
    void kindsThatNoLayerHasAreRefused() throws IOException {
        try (DecoderModel model = Tiny.student(1, Tiny.method("lolcats", "[]"))) {
            LoraFinetuneSettings settings =
                    Stage2.settings("{tokens: 1, trains: [gate, output_norm]}");

            for (int i = 0; i < 2; i++) {
                boolean early = i == 0;
                InvalidValueException e =
                        assertThrows(
                                InvalidValueException.class,
                                () -> {
                                    if (early) {
                                        NextToken.checkFinetune(settings, model.config());
                                    } else {
                                        NextToken.finetune(settings, model, Optional.empty());
                                    }
                                });
                assertEquals(early ? "lora_finetune.trains" : "trains", e.key());
                assertTrue(
                        e.getMessage()
                                .startsWith(
                                        "the method has no parameters of the kind gate,"
                                                + " output_norm; it has feature_map, weight,"
                                                + " window_factor"),
                        e.getMessage());
            }
        }
    }

    @Test
    void aLayerThatTheModelDoesNotHaveIsRefusedBeforeAnythingIsMade() throws IOException {
        try (DecoderModel model = Tiny.student(2, Tiny.method("lolcats", "[]"))) {
            InvalidValueException e =
                    assertThrows(
                            InvalidValueException.class,
                            () ->
                                    NextToken.checkFinetune(
                                            Stage2.settings(
                                                    "{tokens: 1, layers_to_transform: [0, 2]}"),
                                            model.config()));
            assertEquals("lora_finetune.layers_to_transform", e.key());
        }
    }

    @Test
    void divergenceAloneBringsTheStudentNearTheTeacher() throws IOException {
        try (DecoderModel model = Tiny.student(2, Tiny.method("lolcats", "[]"))) {
            NextToken objective =
                    Stage2.objective(
                            model,
                            "{tokens: 1, ce_weight: 0.0, kl_weight: 1.0, trains: [lora,"
                                    + " feature_map]}");
            double before = divergence(model, objective);

            Map<String, Double> last = train(model, objective, "a");

            assertEquals(Set.of("cross_entropy", "kl"), last.keySet());
            double after = divergence(model, objective);
            assertTrue(after < before, before + " to " + after);
        }
    }

    /** From the teacher, over four sequences of the text. */
    private double divergence(DecoderModel model, NextToken objective) throws IOException {
        try (NDManager scope = model.manager().newSubManager()) {
            int[] four = {0, 1, 2, 3};
            return objective.loss(Tiny.batch(scope, Tiny.data(dir), four)).of("kl");
        }
    }

    @Test
    void aResumedRunOfEverythingAtOnceTakesTheSameSteps() throws IOException {
        String yaml =
                "{tokens: 384, batch_size: 2, learning_rate: 0.01, save_every: 4, trains: [lora,"
                        + " feature_map], lora_dropout: 0.2, kl_weight: 0.5, kl_temperature: 2.0,"
                        + " gradient_checkpointing: true}";
        Map<String, float[]> whole = resumed(yaml, "whole", 8);

        Map<String, float[]> parts = resumed(yaml, "parts", 4);

        whole.forEach((name, values) -> assertArrayEquals(values, parts.get(name), name));
    }

    /** Runs to the end in parts of so many steps, each with a model of its own. */
    private Map<String, float[]> resumed(String yaml, String name, int steps) throws IOException {
        Map<String, float[]> values = new LinkedHashMap<>();
        while (values.isEmpty()) {
            List<Long> taken = new ArrayList<>();
            TrainingListener count =
                    new TrainingListener() {
                        @Override
                        public void stepFinished(Step step) {
                            taken.add(step.step());
                        }
                    };
            try (DecoderModel model = Tiny.student(2, Tiny.method("lolcats", "[]"))) {
                NextToken objective = Stage2.objective(model, yaml.replace("{", "{log_every: 1, "));
                new TrainingLoop(
                                Tiny.data(dir),
                                Optional.empty(),
                                Stage2.settings(yaml.replace("{", "{log_every: 1, ")).training(),
                                3,
                                count,
                                () -> taken.size() == steps)
                        .run(
                                objective,
                                model.manager(),
                                new StageCheckpoints(dir.resolve(name), Map.of()));
                Stage2.parameters(objective).forEach((n, p) -> values.put(n, p.toFloatArray()));
            } catch (StoppedException e) {
                assertEquals(steps, taken.size());
            }
        }
        return values;
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "trains: [loro] | trains | no kind of parameter `loro` (did you mean `lora`?)",
                "trains: [] | trains | expected one or more kinds, none twice",
                "trains: [lora, lora] | trains | expected one or more kinds",
                "trains: [lora, weight] | trains | `weight` trains what adapters would be added to",
                "trains: [weight], kl_weight: 1.0 | kl_weight | the teacher's weights are those",
                "trains: [gate], lora_dropout: 0.1 | lora_dropout | it is about adapters",
                "trains: [gate], layers_to_transform: [1] | layers_to_transform | it is about",
                "ce_weight: 0.0 | ce_weight | `ce_weight` and `kl_weight` are both 0",
                "ce_weight: -1.0 | ce_weight | expected 0 or more",
                "kl_weight: -1.0 | kl_weight | expected 0 or more",
                "kl_temperature: 0.0 | kl_temperature | expected a number above 0",
                "window_dropout: [0.5, 1.5] | window_dropout | expected a number from 0 to 1",
                "layers_to_transform: [-1] | layers_to_transform | must be numbers of layers",
                "target_modules: [q_prog] | target_modules | `q_prog` is no linear map"
            })
    void settingsThatDoNotFitAreRefusedAtTheirKey(String line, String key, String message) {
        ConfigException e =
                assertThrows(
                        ConfigException.class, () -> Stage2.settings("{tokens: 1, " + line + "}"));

        String problem = e.problems().get(0).toString();
        assertTrue(problem.contains(key + ": " + message), problem);
    }

    @Test
    void byDefaultAdaptersLearnFromCrossEntropyAlone() {
        LoraFinetuneSettings settings = Stage2.settings("{tokens: 1}");

        assertEquals(List.of("lora"), settings.trains());
        assertEquals(List.of(), settings.layersToTransform());
        assertEquals(1, settings.ceWeight());
        assertEquals(0, settings.klWeight());
        assertEquals(1, settings.klTemperature());
        assertEquals(List.of(), settings.windowDropout());
        assertTrue(!settings.gradientCheckpointing() && !settings.trainsWeights());
    }

    @Test
    void adaptersAtTheirStartChangeNoLogit() throws IOException {
        try (DecoderModel model = Tiny.student(2, Tiny.method("lizard", "[]"))) {
            float[] before = TinyModels.logits(model);
            LoraFinetuneSettings settings =
                    Stage2.settings(
                            "{tokens: 1, layers_to_transform: [1], target_modules: [q_proj,"
                                    + " gate_proj, up_proj, down_proj]}");

            LoraAdapters adapters = LoraAdapters.create(model, settings.adapters(), 1);

            assertArrayEquals(before, TinyModels.logits(model));
            assertEquals(2 * 4, adapters.parameters().size());
            adapters.parameters()
                    .keySet()
                    .forEach(name -> assertTrue(name.contains("layers.1."), name));
        }
    }
}
