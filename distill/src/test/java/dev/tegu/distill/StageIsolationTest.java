package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.AttentionSpec;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.distill.data.CharTokenizer;
import dev.tegu.distill.data.DataFormat;
import dev.tegu.distill.data.Packed;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.data.Sequence;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.TorchScript;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.lora.LoraSettings;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.TinyModels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Stage 2 knows nothing of stage 1 but the parameters it left. */
class StageIsolationTest {
    private static final AttentionSpec METHOD = Tiny.method("lolcats", "[]");
    private static final String STAGES =
            "{attention_transfer: {tokens: 96, batch_size: 2, gradient_accumulation_steps: 2,"
                    + " learning_rate: 0.05, scheduler: constant, weight_decay: 0.1, betas: [0.5,"
                    + " 0.6], max_grad_norm: 0.5, log_every: 1, save_every: 1, validate_every: 0},"
                    + " lora_finetune: {tokens: 144}}";

    @TempDir Path dir;

    private static LoraFinetuneSettings stage2() {
        return ConfigBinder.bind(
                ConfigNode.parse(STAGES, "test").get("lora_finetune").orElseThrow(),
                LoraFinetuneSettings.class);
    }

    private static AttentionTransferSettings stage1() {
        return ConfigBinder.bind(
                ConfigNode.parse(STAGES, "test").get("attention_transfer").orElseThrow(),
                AttentionTransferSettings.class);
    }

    private void train(
            DecoderModel model, Objective objective, TrainingSettings settings, String name)
            throws IOException {
        TrainingListener silent = new TrainingListener() {};
        new TrainingLoop(Tiny.data(dir), Optional.empty(), settings, 3, silent)
                .run(objective, model.manager(), new StageCheckpoints(dir.resolve(name), Map.of()));
    }

    private Map<String, float[]> finetuned(DecoderModel model, double dropout, String name)
            throws IOException {
        LoraAdapters adapters = LoraAdapters.create(model, new LoraSettings(2, 4, targets()), 1);
        Objective objective = new NextToken("lora_finetune", model, adapters.parameters(), dropout);
        train(model, objective, stage2().training(), name);
        Map<String, float[]> values = new LinkedHashMap<>();
        adapters.parameters().forEach((key, array) -> values.put(key, array.toFloatArray()));
        return values;
    }

    private static List<String> targets() {
        return stage2().targetModules();
    }

    @Test
    @DisplayName("25: what stage 1's block says does not reach stage 2's")
    void stage1sBlockDoesNotReachStage2s() {
        LoraFinetuneSettings alone =
                ConfigBinder.bind(
                        ConfigNode.parse("{tokens: 144}", "test"), LoraFinetuneSettings.class);

        assertEquals(alone, stage2());
        assertEquals(4, stage2().training().batchSize());
        assertEquals(1, stage2().training().gradientAccumulationSteps());
        assertEquals(0.05, stage1().training().learningRate());
        assertNotEquals(stage1().training().betas(), stage2().training().betas());
    }

    @Test
    @DisplayName("25: stage 2 after stage 1 is stage 2 alone on what stage 1 left, to the bit")
    void stage2AfterStage1IsStage2AloneOnWhatStage1Left() throws IOException {
        Map<String, float[]> left;
        Map<String, float[]> inOneProcess;
        try (DecoderModel model = Tiny.student(2, METHOD)) {
            try (AttentionTransfer transfer = new AttentionTransfer(model)) {
                train(model, transfer, stage1().training(), "stage 1");
            }
            left = Tiny.parameters(model);
            inOneProcess = finetuned(model, 0, "stage 2");

            Tiny.parameters(model)
                    .forEach((name, values) -> assertArrayEquals(left.get(name), values, name));
        }
        try (DecoderModel model = Tiny.student(2, METHOD);
                TorchScript script = Scripts.training()) {
            for (int i = 0; i < 2; i++) {
                for (Map.Entry<String, NDArray> p : model.layers().get(i).parameters().entrySet()) {
                    NDArray array = p.getValue();
                    try (NDManager scope = array.getManager().newSubManager()) {
                        float[] values = left.get(i + "." + p.getKey());
                        NDArray stored = scope.create(values, array.getShape());
                        script.call("copy", new TorchScript.Arguments().add(stored).add(array));
                    }
                }
            }

            Map<String, float[]> alone = finetuned(model, 0, "alone");

            assertEquals(inOneProcess.keySet(), alone.keySet());
            inOneProcess.forEach((name, v) -> assertArrayEquals(v, alone.get(name), name));
        }
    }

    @Test
    @DisplayName("24: adapter dropout is off when a loss is only measured")
    void dropoutIsOffWhenMeasuring() throws IOException {
        try (DecoderModel model = Tiny.student(2, METHOD);
                NDManager scope = model.manager().newSubManager()) {
            LoraAdapters adapters =
                    LoraAdapters.create(model, new LoraSettings(2, 4, targets()), 1);
            adapters.parameters().values().forEach(array -> TinyModels.add(array, 0.2, 3));
            NextToken with = new NextToken("a", model, adapters.parameters(), 0.5);
            NextToken without = new NextToken("b", model, adapters.parameters(), 0);
            NDArray ids = Tiny.ids(scope, 2);
            NDArray labels = Tiny.ids(scope, 2);
            adapters.setRequiresGradient(true);

            double expected = without.loss(TrainingBatch.of(ids, labels)).total();
            double trained =
                    with.backward(TrainingBatch.of(ids, labels), StepContext.first())
                            .read()
                            .total();

            assertEquals(expected, with.loss(TrainingBatch.of(ids, labels)).total());
            assertEquals(
                    expected,
                    without.backward(TrainingBatch.of(ids, labels), StepContext.first())
                            .read()
                            .total(),
                    1e-6);
            assertTrue(Math.abs(trained - expected) > 1e-4, trained + " with dropout, " + expected);
            float[] logits = TinyModels.logits(model);
            assertArrayEquals(logits, TinyModels.logits(model));
        }
    }

    @Test
    @DisplayName("23: packed instructions leave no sequence whose mean loss is 0 / 0")
    void noSequenceHasALossOfNaN() throws IOException {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 6; i++) {
            lines.append("{\"prompt\": \"").append("p".repeat(40 + 7 * i));
            lines.append("\", \"completion\": \"answer\"}\n");
        }
        Path file = Files.writeString(dir.resolve("a.jsonl"), lines);
        PackedDataset data =
                Packed.load(List.of(file), DataFormat.JSONL, 16, new CharTokenizer(true, true));
        try (DecoderModel model = Tiny.base(1);
                NDManager scope = model.manager().newSubManager()) {
            NextToken objective = NextToken.overAllWeights("test", model);

            assertTrue(data.droppedSequences() > 6 && data.size() >= 6);
            for (int i = 0; i < data.size(); i++) {
                Sequence sequence = data.get(i);
                double loss =
                        objective
                                .loss(
                                        TrainingBatch.of(
                                                row(scope, sequence.ids()),
                                                row(scope, sequence.labels())))
                                .total();
                assertTrue(Double.isFinite(loss), "sequence " + i + ": " + loss);
            }
        }
    }

    private static NDArray row(NDManager scope, int... values) {
        long[] row = new long[values.length];
        for (int i = 0; i < row.length; i++) {
            row[i] = values[i];
        }
        return scope.create(new long[][] {row});
    }
}
