package dev.tegu.cli.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.EngineException;
import dev.tegu.checkpoint.DType;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigNode;
import dev.tegu.distill.Losses;
import dev.tegu.distill.TrainingSettings;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.MemoryShortage;
import dev.tegu.engine.OutOfDeviceMemoryException;
import java.util.List;
import org.junit.jupiter.api.Test;

final class StageMemoryTest {
    private static final long GIB = 1L << 30;

    /** 80 GiB of which 2 are free, 10 asked for: 88 needed. */
    private static final String FULL =
            "CUDA out of memory. Tried to allocate 10.00 GiB. GPU 0 has a total capacity of 80.00"
                    + " GiB of which 2.00 GiB is free.";

    private static StageMemory memory(int batchSize, boolean recomputes, DType dtype, long fixed) {
        TrainingSettings settings =
                ConfigBinder.bind(
                        ConfigNode.parse("{tokens: 1, batch_size: " + batchSize + "}", "test"),
                        TrainingSettings.class);
        return new StageMemory("lora_finetune", settings, recomputes, dtype, 2048, fixed);
    }

    private static String told(StageMemory memory, long steps) {
        StageMemory.Progress progress = new StageMemory.Progress();
        if (steps > 0) {
            progress.stepFinished(
                    new TrainingListener.Step(
                            "lora_finetune", steps, new Losses(1, List.of()), 1, 1, 1));
        }
        return assertThrows(
                        OutOfDeviceMemoryException.class,
                        () ->
                                memory.watch(
                                        progress,
                                        () -> {
                                            throw new EngineException(FULL);
                                        }))
                .getMessage();
    }

    @Test
    void theBatchToTryIsHalfOrWhatHasRoomBesideTheFixedPart() {
        assertTrue(
                told(memory(8, true, DType.BF16, 8 * GIB), 0)
                        .endsWith("; try `lora_finetune.batch_size: 4`"));
        // 10 of 88 GiB grow with the 8 sequences, 2 have room: 1 of them.
        assertTrue(
                told(memory(8, true, DType.BF16, 78 * GIB), 0)
                        .endsWith("; try `lora_finetune.batch_size: 1`"));
    }

    @Test
    void earlyInAHugeStepTheBatchIsHalved() {
        // Asked for early: most of what the step would need is not counted yet.
        MemoryShortage early =
                MemoryShortage.in(
                                new EngineException(
                                        "CUDA out of memory. Tried to allocate 7.81 GiB. GPU 0 has"
                                                + " a total capacity of 139.80 GiB of which 6.05"
                                                + " GiB is free."))
                        .orElseThrow();

        assertEquals(
                "`lora_finetune.gradient_checkpointing: true`, or `lora_finetune.batch_size: 4000`",
                memory(8000, false, DType.BF16, GIB / 16).advice(early));
    }

    @Test
    void stepAndSizesAreTold() {
        assertEquals(
                "lora_finetune, after step 40: out of memory on cuda:0: 10.7 GB asked for, 2.1 GB"
                        + " of 85.9 GB free; try `lora_finetune.gradient_checkpointing: true`, or"
                        + " `lora_finetune.batch_size: 4`, or `dtype: bfloat16`",
                told(memory(8, false, DType.F32, 8 * GIB), 40));
        assertTrue(
                told(memory(1, true, DType.BF16, 8 * GIB), 0)
                        .startsWith("lora_finetune, in the first step: "));
    }

    @Test
    void oneSequenceThatDoesNotFitMustBeShorter() {
        assertTrue(
                told(memory(1, true, DType.BF16, 8 * GIB), 0)
                        .endsWith("; try `data.sequence_length: 1024`"));
    }

    @Test
    void otherErrorsPass() {
        EngineException other = new EngineException("shapes");

        assertSame(
                other,
                assertThrows(
                        EngineException.class,
                        () ->
                                memory(1, true, DType.F32, 0)
                                        .watch(
                                                new StageMemory.Progress(),
                                                () -> {
                                                    throw other;
                                                })));
    }
}
