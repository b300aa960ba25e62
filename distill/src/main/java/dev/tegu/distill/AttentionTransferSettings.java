package dev.tegu.distill;

import dev.tegu.config.Flat;

/**
 * The block {@code attention_transfer}: the new attention learns to give the old one's outputs.
 *
 * @param training how much is read, and how the steps are taken
 */
public record AttentionTransferSettings(
        @Flat("{learning_rate: 1.0e-2}") TrainingSettings training) {}
