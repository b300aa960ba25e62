package dev.tegu.distill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.BaseNDManager;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.tegu.attention.FusedAttention;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.lora.LoraSettings;
import dev.tegu.model.DecoderModel;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Native arrays do not pile up: after each step there are as many as after the one before. */
final class LiveArraysTest {
    private static final int STEPS = 1000;

    /** Of layers in halves, which are slower. */
    private static final int SPLIT_STEPS = 50;

    @TempDir Path dir;

    @Test
    void attentionTransferLeavesNoArraysBehind() throws IOException {
        try (DecoderModel model = Tiny.student(1, Tiny.method("lizard", "[]"));
                AttentionTransfer transfer = new AttentionTransfer(model)) {
            assertLevel(model, transfer, STEPS);
        }
    }

    @Test
    void transferOfWeightsLeavesNoArraysBehind() throws IOException {
        try (DecoderModel model = Tiny.student(1, Tiny.method("lizard", "[]"));
                AttentionTransfer transfer =
                        new AttentionTransfer(
                                model,
                                Tiny.stage1(
                                        "{tokens: 1, xent_factor: 1.0, xent_queries: 4,"
                                                + " window_dropout: [0.5]}"))) {
            assertLevel(model, transfer, STEPS);
        }
    }

    @Test
    void matrixOrientationLeavesNoArraysBehind() throws IOException {
        try (DecoderModel model = Tiny.student(1, Tiny.method("hedgehog", "[]"));
                MatrixOrientation orientation =
                        new MatrixOrientation(
                                model, Tiny.stage0("{tokens: 1, sequence_length: 24}"))) {
            assertLevel(model, orientation, STEPS);
        }
    }

    @Test
    void finetuningLeavesNoArraysBehind() throws IOException {
        try (DecoderModel model = Tiny.student(1, Tiny.method("lolcats", "[]"))) {
            LoraSettings settings = new LoraSettings(2, 4, List.of("q_proj", "o_proj"));
            LoraAdapters adapters = LoraAdapters.create(model, settings, 1);
            NextToken objective = new NextToken("lora_finetune", model, adapters.parameters(), 0.1);
            assertLevel(model, objective, STEPS);
        }
    }

    @Test
    void pretrainingLeavesNoArraysBehind() throws IOException {
        try (DecoderModel model = Tiny.base(1)) {
            assertLevel(model, NextToken.overAllWeights("pretrain", model), STEPS);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void distillationLeavesNoArraysBehind(boolean checkpointing) throws IOException {
        try (DecoderModel model = Tiny.student(2, Tiny.method("lizard", "[1]"))) {
            NextToken objective =
                    Stage2.objective(
                            model,
                            "{tokens: 1, kl_weight: 1.0, lora_dropout: 0.1, trains: [lora,"
                                    + " feature_map], gradient_checkpointing: "
                                    + checkpointing
                                    + "}");
            assertLevel(model, objective, STEPS);
        }
    }

    @Test
    void transferAroundAnAttentionLeavesNoArraysBehind() throws IOException {
        try (DecoderModel model = Tiny.student(1, Tiny.method("lizard", "[]"));
                AttentionTransfer transfer = new AttentionTransfer(model);
                FusedAttention outside = SplitPassTest.attention(model)) {
            transfer.walk.split(outside);
            assertLevel(model, transfer, SPLIT_STEPS);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void finetuningAroundAnAttentionLeavesNoArraysBehind(boolean checkpointing) throws IOException {
        try (DecoderModel model = Tiny.student(3, Tiny.method("lizard", "[1]"));
                FusedAttention outside = SplitPassTest.attention(model)) {
            NextToken objective =
                    Stage2.objective(
                            model,
                            "{tokens: 1, kl_weight: 1.0, lora_dropout: 0.1, trains: [lora,"
                                    + " feature_map], window_dropout: [0.5],"
                                    + " gradient_checkpointing: "
                                    + checkpointing
                                    + "}");
            objective.split(outside);
            assertLevel(model, objective, SPLIT_STEPS);
        }
    }

    /** Steps are waited for, and then they are not. */
    private void assertLevel(DecoderModel model, Objective objective, int steps)
            throws IOException {
        assertLevel(model, objective, steps, false);
        assertLevel(model, objective, steps / 10, true);
    }

    private void assertLevel(DecoderModel model, Objective objective, int steps, boolean ahead)
            throws IOException {
        NDManager root = root(model.manager());
        List<Integer> live = new ArrayList<>();
        TrainingListener count =
                new TrainingListener() {
                    @Override
                    public void stepFinished(Step step) {
                        live.add(arrays(root));
                    }
                };
        TrainingSettings settings =
                Tiny.transfer(
                        "{tokens: "
                                + steps * Tiny.LENGTH
                                + ", batch_size: 1, log_every: 1, validate_every: "
                                + steps / 10
                                + "}");

        TrainingLoop loop =
                new TrainingLoop(Tiny.data(dir), Optional.of(Tiny.data(dir)), settings, 3, count);
        (ahead ? loop.runningAhead() : loop)
                .run(
                        objective,
                        model.manager(),
                        new StageCheckpoints(dir.resolve("ahead " + ahead), Map.of()));

        assertEquals(steps, live.size());
        assertTrue(live.get(0) > 10, "the parameters at least: " + live.get(0));
        Set<Integer> levels = new TreeSet<>(live);
        assertEquals(Set.of(live.get(0)), levels);
    }

    private static NDManager root(NDManager manager) {
        NDManager root = manager;
        while (root.getParentManager() != null && root.getParentManager() != root) {
            root = root.getParentManager();
        }
        return root;
    }

    /** Open arrays of a manager and all below it. */
    private static int arrays(NDManager manager) {
        int count = 0;
        for (Object resource : resources(manager)) {
            if (resource instanceof NDArray) {
                count++;
            } else if (resource instanceof NDManager child && child != manager) {
                count += arrays(child);
            }
        }
        return count;
    }

    /** What a manager will close; DJL shows arrays, but not the managers below. */
    private static List<Object> resources(NDManager manager) {
        if (!(manager instanceof BaseNDManager)) {
            return List.of();
        }
        try {
            Field field = BaseNDManager.class.getDeclaredField("resources");
            field.setAccessible(true);
            return List.copyOf(((Map<?, ?>) field.get(manager)).values());
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("DJL keeps its resources elsewhere now", e);
        }
    }
}
