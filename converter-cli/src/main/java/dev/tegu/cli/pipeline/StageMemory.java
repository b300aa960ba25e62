package dev.tegu.cli.pipeline;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import dev.tegu.checkpoint.DType;
import dev.tegu.distill.LoraFinetuneSettings;
import dev.tegu.distill.Objective;
import dev.tegu.distill.TrainingSettings;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.ArraySizes;
import dev.tegu.engine.MemoryShortage;
import dev.tegu.engine.OutOfDeviceMemoryException;
import dev.tegu.model.DecoderLayer;
import dev.tegu.model.DecoderModel;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What a stage holds on its device whatever the batch, and what to change when the rest finds no
 * room there.
 *
 * @param stage its key in the configuration
 * @param settings of the stage
 * @param recomputes whether the stage could keep less and does, or never keeps more; false where
 *     {@code gradient_checkpointing} would help
 * @param dtype of the frozen weights
 * @param sequenceLength tokens of a sequence
 * @param fixedBytes weights, trained values, their gradients and moments
 */
record StageMemory(
        String stage,
        TrainingSettings settings,
        boolean recomputes,
        DType dtype,
        int sequenceLength,
        long fixedBytes) {
    /** Value, gradient and two moments of a trained number, float32 each. */
    private static final long TRAINED_NUMBERS = 4;

    /** Steps taken so far, as far as they were told. */
    static final class Progress implements TrainingListener {
        private long steps;

        @Override
        public void stageStarted(Stage started) {
            steps = started.doneSteps();
        }

        @Override
        public void stepFinished(Step step) {
            steps = step.step();
        }
    }

    /** Work that may find no memory. */
    interface Work {
        void run() throws IOException;
    }

    /**
     * @param block the stage's block of the configuration
     */
    static StageMemory of(
            DecoderModel model,
            Objective objective,
            Record block,
            TrainingSettings settings,
            int sequenceLength) {
        boolean keepsAll =
                block instanceof LoraFinetuneSettings lora && !lora.gradientCheckpointing();
        long trained =
                objective.groups().stream()
                        .flatMap(group -> group.parameters().values().stream())
                        .mapToLong(NDArray::size)
                        .sum();
        return new StageMemory(
                objective.stage(),
                settings,
                !keepsAll,
                model.dtype(),
                sequenceLength,
                weightBytes(model) + TRAINED_NUMBERS * Float.BYTES * trained);
    }

    /** Bytes of a model's frozen weights in memory. */
    static long weightBytes(DecoderModel model) {
        List<NDArray> weights = new ArrayList<>(model.ends());
        weights.addAll(model.moreEnds().values());
        for (DecoderLayer layer : model.layers()) {
            weights.addAll(layer.weights().values());
        }
        return ArraySizes.bytes(weights);
    }

    /**
     * Does some work of the stage.
     *
     * @param progress tells how far the stage had come
     * @throws OutOfDeviceMemoryException if memory ran out; the message says what to change
     */
    void watch(Progress progress, Work work) throws IOException {
        try {
            work.run();
        } catch (EngineException e) {
            Optional<MemoryShortage> shortage = MemoryShortage.in(e);
            if (shortage.isEmpty()) {
                throw e;
            }
            String place =
                    progress.steps == 0 ? "in the first step" : "after step " + progress.steps;
            throw new OutOfDeviceMemoryException(
                    (stage + ", " + place + ": " + shortage.get().describe())
                            + ("; try " + advice(shortage.get())),
                    e);
        }
    }

    /** What to change, the least first. */
    String advice(MemoryShortage shortage) {
        List<String> ways = new ArrayList<>();
        if (!recomputes) {
            ways.add("`" + stage + ".gradient_checkpointing: true`");
        }
        if (settings.batchSize() > 1) {
            ways.add("`" + stage + ".batch_size: " + batch(shortage) + "`");
        }
        if (dtype == DType.F32) {
            ways.add("`dtype: bfloat16`");
        }
        if (settings.batchSize() == 1 || ways.isEmpty()) {
            ways.add("`data.sequence_length: " + Math.max(2, sequenceLength / 2) + "`");
        }
        return String.join(", or ", ways);
    }

    /**
     * The batch to try: at most half. What was held and what was asked for is the least that the
     * whole batch needs; where that, less the fixed part, leaves room for fewer, that many.
     */
    private int batch(MemoryShortage shortage) {
        int half = settings.batchSize() / 2;
        if (shortage.needed().isEmpty()) {
            return half;
        }
        double each = (shortage.needed().getAsLong() - fixedBytes) / (double) settings.batchSize();
        double room = shortage.total().getAsLong() - fixedBytes;
        if (each <= 0 || room <= 0) {
            return 1;
        }
        return (int) Math.max(1, Math.min(half, Math.floor(room / each)));
    }
}
