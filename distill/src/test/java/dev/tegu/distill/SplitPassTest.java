package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.FusedAttention;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelWriter;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Passes around an attention that autograd does not see find what recorded passes find. */
class SplitPassTest {
    private static final StepContext CONTEXT = new StepContext(5, 7, 20, 1, 1, Set.of());

    @TempDir Path dir;

    /** The layer's script in the place of a kernel. */
    static FusedAttention attention(DecoderModel model) {
        return model.layers().stream()
                .map(DecoderLayer::attention)
                .flatMap(Optional::stream)
                .findFirst()
                .map(FusedAttention::script)
                .orElseThrow();
    }

    /** Losses and gradients, of two batches together, by name. */
    private static Map<String, float[]> found(Objective objective, StepContext context) {
        Map<String, NDArray> parameters = new LinkedHashMap<>();
        objective.groups().forEach(group -> parameters.putAll(group.parameters()));
        NDManager owner = parameters.values().iterator().next().getManager();
        Map<String, float[]> found = new LinkedHashMap<>();
        parameters.values().forEach(p -> p.setRequiresGradient(true));
        try (NDManager scope = owner.newSubManager()) {
            objective.backward(Stage2.batch(scope), context);
            TrainingBatch batch = Stage2.batch(scope);
            Losses losses = objective.backward(batch, context.withMicroBatch(2)).read();
            losses.parts()
                    .forEach(p -> found.put("loss " + p.name(), new float[] {(float) p.loss()}));
            parameters.forEach(
                    (name, p) -> {
                        try (NDArray gradient = p.getGradient()) {
                            found.put(name, gradient.toFloatArray());
                            gradient.subi(gradient);
                        }
                    });
        } finally {
            parameters.values().forEach(p -> p.setRequiresGradient(false));
        }
        return found;
    }

    private static double relative(float[] expected, float[] found) {
        double off = 0;
        double size = 0;
        for (int i = 0; i < expected.length; i++) {
            off += Math.pow((double) expected[i] - found[i], 2);
            size += Math.pow(expected[i], 2);
        }
        return Math.sqrt(off / size);
    }

    private static void assertNear(
            Map<String, float[]> expected, Map<String, float[]> found, double bound) {
        assertEquals(expected.keySet(), found.keySet());
        expected.forEach(
                (name, values) -> {
                    double off = relative(values, found.get(name));
                    assertTrue(off < bound, name + " is off by " + off);
                });
    }

    @ParameterizedTest(name = "{0}, softmax {1}, {2}")
    @CsvSource(
            delimiter = '|',
            value = {
                "lizard  | []     | r: 2",
                "lizard  | [1]    | r: 2, lora_dropout: 0.3, target_modules: [v_proj, up_proj]",
                "lolcats | [1]    | kl_weight: 1.0, trains: [lora, feature_map, window_factor]",
                "lizard  | [0]    | trains: [lora, feature_map, gate, alpha, sinks]",
                "lizard  | [1]    | trains: [feature_map, gate]",
                "lolcats | []     | trains: [feature_map]",
                "lolcats | []     | layers_to_transform: [2]",
                "lizard  | [2]    | layers_to_transform: [1], lora_dropout: 0.5",
                "lizard  | []     | trains: [weight, sinks]",
                "lizard  | []     | window_dropout: [0.6], trains: [lora, feature_map, gate]",
                "hedgehog| []     | trains: [lora, feature_map]"
            })
    void gradientsOfFinetuningAreThoseOfTheRecordedPass(
            String preset, String keepSoftmax, String settings) throws IOException {
        try (DecoderModel model = Tiny.student(3, Tiny.method(preset, keepSoftmax));
                FusedAttention outside = attention(model)) {
            TinyModels.disturb(model);
            LoraFinetuneSettings bound = Stage2.settings("{tokens: 1, " + settings + "}");
            LoraFinetuneSettings anew =
                    Stage2.settings("{tokens: 1, gradient_checkpointing: true, " + settings + "}");
            Optional<LoraAdapters> adapters = Stage2.adapters(model, bound);
            Map<String, float[]> expected =
                    found(NextToken.finetune(bound, model, adapters), CONTEXT);

            NextToken kept = NextToken.finetune(bound, model, adapters);
            kept.split(outside);
            NextToken checkpointed = NextToken.finetune(anew, model, adapters);
            checkpointed.split(outside);
            Map<String, float[]> found = found(kept, CONTEXT);

            assertNear(expected, found, 2e-5);
            found(checkpointed, CONTEXT)
                    .forEach((name, values) -> assertArrayEquals(found.get(name), values, name));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"lizard", "lolcats", "hedgehog", "window-only", "gla"})
    void gradientsOfTransferAreThoseOfTheRecordedPass(String preset) throws IOException {
        try (DecoderModel model = Tiny.student(3, Tiny.method(preset, "[1]"));
                AttentionTransfer recorded = new AttentionTransfer(model);
                AttentionTransfer split = new AttentionTransfer(model);
                FusedAttention outside = attention(model)) {
            TinyModels.disturb(model);
            if (recorded.groups().isEmpty()) {
                return;
            }
            Map<String, float[]> expected = found(recorded, CONTEXT);

            split.walk.split(outside);

            assertNear(expected, found(split, CONTEXT), 2e-5);
        }
    }

    @Test
    void layersThatHaveStoppedGetNoGradient() throws IOException {
        try (DecoderModel model = Tiny.student(2, Tiny.method("lizard", "[]"));
                AttentionTransfer split = new AttentionTransfer(model);
                FusedAttention outside = attention(model)) {
            split.walk.split(outside);
            StepContext stopped = new StepContext(5, 7, 20, 1, 1, Set.of("layers.0"));

            found(split, stopped)
                    .forEach(
                            (name, values) -> {
                                boolean isZero =
                                        TinyModels.distance(values, new float[values.length]) == 0;
                                assertEquals(name.contains("layers.0.self"), isZero, name);
                            });
        }
    }

    @Test
    void documentsAreRecordedAsBefore() throws IOException {
        try (DecoderModel model = Tiny.student(2, Tiny.method("lizard", "[]"));
                NDManager scope = model.manager().newSubManager();
                FusedAttention outside = attention(model)) {
            NextToken recorded = Stage2.objective(model, "{tokens: 1, trains: [feature_map]}");
            NextToken split = Stage2.objective(model, "{tokens: 1, trains: [feature_map]}");
            split.split(outside);
            TrainingBatch plain = Stage2.batch(scope);
            long[] texts = new long[2 * Tiny.LENGTH];
            Arrays.fill(texts, 7, 20, 1);
            TrainingBatch batch =
                    new TrainingBatch(
                            plain.ids(),
                            plain.labels(),
                            Optional.of(scope.create(texts, plain.ids().getShape())));
            Stage2.parameters(split).values().forEach(p -> p.setRequiresGradient(true));

            double expected = recorded.backward(batch, CONTEXT).read().total();

            assertEquals(expected, split.backward(batch, CONTEXT).read().total());
            assertNotEquals(expected, split.backward(plain, CONTEXT).read().total(), 1e-4);
            Stage2.parameters(split).values().forEach(p -> p.setRequiresGradient(false));
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BF16", "F16"})
    void halfModelsFindTheSameToTheirRounding(DType type) throws IOException {
        try (DecoderModel model = Tiny.base(2)) {
            ModelWriter.of(model, Tiny.config(2), type).write(dir.resolve("base"));
        }
        float scale = type == DType.F16 ? 64 : 1;
        StepContext context = new StepContext(0, 0, 1, 0, scale, Set.of());
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(dir.resolve("base"))) {
            ModelConfig config =
                    ModelConfig.parse(files.config(), "test")
                            .withLinearAttention(Optional.of(Tiny.method("lizard", "[1]")));
            try (DecoderModel model =
                            DecoderModel.load(files, config, Device.cpu(), 3, type, false);
                    FusedAttention outside = attention(model);
                    AttentionTransfer transfer = new AttentionTransfer(model)) {
                TinyModels.disturb(model);
                NextToken tuned =
                        Stage2.objective(
                                model, "{tokens: 1, trains: [lora, feature_map, gate, sinks]}");
                Map<String, float[]> tuning = found(tuned, context);
                Map<String, float[]> transferring = found(transfer, context);

                tuned.split(outside);
                transfer.walk.split(outside);

                assertNear(tuning, found(tuned, context), 5e-2);
                assertNear(transferring, found(transfer, context), 2e-2);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"transfer", "finetune"})
    void aResumedRunTakesTheSameStepsToTheBit(String stage) throws IOException {
        Map<String, float[]> whole = trained(stage, "whole", Integer.MAX_VALUE);
        trained(stage, "parts", 3);

        Map<String, float[]> parts = trained(stage, "parts", Integer.MAX_VALUE);

        assertTrue(!whole.isEmpty());
        whole.forEach((name, values) -> assertArrayEquals(values, parts.get(name), name));
    }

    private Map<String, float[]> trained(String stage, String name, int stopAfter)
            throws IOException {
        int[] steps = {0};
        TrainingListener count =
                new TrainingListener() {
                    @Override
                    public void stepFinished(Step step) {
                        steps[0]++;
                    }
                };
        String yaml =
                "{tokens: 576, batch_size: 1, gradient_accumulation_steps: 2, log_every: 1,"
                        + " save_every: 0, learning_rate: 0.01";
        try (DecoderModel model = Tiny.student(2, Tiny.method("lizard", "[]"));
                AttentionTransfer transfer = new AttentionTransfer(model);
                FusedAttention outside = attention(model)) {
            Objective objective = transfer;
            TrainingSettings settings = Tiny.transfer(yaml + "}");
            transfer.walk.split(outside);
            if (stage.equals("finetune")) {
                String all = yaml + ", lora_dropout: 0.2, gradient_checkpointing: true}";
                NextToken tuned = Stage2.objective(model, all);
                tuned.split(outside);
                objective = tuned;
                settings = Stage2.settings(all).training();
            }
            try {
                new TrainingLoop(
                                Tiny.data(dir),
                                Optional.empty(),
                                settings,
                                3,
                                count,
                                () -> steps[0] == stopAfter)
                        .runningAhead()
                        .run(
                                objective,
                                model.manager(),
                                new StageCheckpoints(dir.resolve(stage + name), Map.of()));
            } catch (StoppedException e) {
                return Map.of();
            }
            Map<String, float[]> values = new LinkedHashMap<>();
            objective
                    .groups()
                    .forEach(
                            g -> g.parameters().forEach((n, p) -> values.put(n, p.toFloatArray())));
            return values;
        }
    }
}
