package dev.tegu.distill;

import dev.tegu.config.Flat;

/**
 * The block {@code pretrain}: every weight of a new model learns to foretell the next token. Weight
 * decay goes over every weight, norms too.
 *
 * @param training how much is read, and how the steps are taken
 */
public record PretrainSettings(
        @Flat(
                        "{batch_size: 16, learning_rate: 1.0e-3, warmup_ratio: 0.02, betas: [0.9,"
                                + " 0.95], save_every: 0}")
                TrainingSettings training) {}
