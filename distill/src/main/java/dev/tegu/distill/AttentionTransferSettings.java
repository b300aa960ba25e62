package dev.tegu.distill;

import dev.tegu.config.Default;
import dev.tegu.config.Flat;
import dev.tegu.config.InvalidValueException;
import dev.tegu.model.ModelConfig;
import java.util.List;

/**
 * The block {@code attention_transfer}: the new attention learns to give the old one's outputs.
 *
 * @param training how much is read, and how the steps are taken
 * @param loss what is compared
 * @param layers numbers of the linearized layers that are trained; none: all
 * @param windowDropout probabilities, over equal parts of the stage, that a layer goes through a
 *     training batch without its window, each from 0 to 1; none: never
 */
public record AttentionTransferSettings(
        @Flat("{learning_rate: 1.0e-2}") TrainingSettings training,
        @Flat TransferLoss loss,
        @Default("[]") List<Integer> layers,
        @Default("[]") List<Double> windowDropout) {

    /**
     * @throws InvalidValueException if a value is outside its range
     */
    public AttentionTransferSettings {
        layers = List.copyOf(layers);
        windowDropout = List.copyOf(windowDropout);
        TransferLayers.checkRange(layers);
        WindowDropout.checkRange(windowDropout);
    }

    /**
     * Refuses settings that do not fit a student.
     *
     * @throws InvalidValueException at {@code attention_transfer.KEY}
     */
    public void check(ModelConfig student) {
        TransferLayers.of(AttentionTransfer.STAGE, layers, student);
        student.linearAttention()
                .ifPresent(
                        method -> {
                            loss.check(AttentionTransfer.STAGE, method);
                            WindowDropout.check(AttentionTransfer.STAGE, windowDropout, method);
                        });
    }
}
