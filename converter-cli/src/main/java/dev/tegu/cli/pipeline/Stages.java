package dev.tegu.cli.pipeline;

import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentConfig;
import dev.tegu.distill.AttentionTransfer;
import dev.tegu.distill.AttentionTransferSettings;
import dev.tegu.distill.LoraFinetuneSettings;
import dev.tegu.distill.MatrixOrientation;
import dev.tegu.distill.MatrixOrientationSettings;
import dev.tegu.distill.NextToken;
import dev.tegu.distill.Objective;
import dev.tegu.distill.TrainingSettings;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.lora.LoraSettings;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import java.io.IOException;
import java.util.Optional;

/** The training stages of an experiment in their order, each made when its turn has come. */
final class Stages {
    /** What is done with one stage. */
    interface Visitor {
        /**
         * @param objective open for the time of the call
         * @param block the stage's block of the configuration
         * @param settings those of the block that all stages have
         */
        void stage(Objective objective, Record block, TrainingSettings settings) throws IOException;
    }

    private Stages() {}

    /**
     * Refuses stages that do not fit the student, before the first of them spends any time.
     *
     * @throws dev.tegu.config.InvalidValueException at the key
     */
    static void check(ExperimentConfig config, ModelConfig student) {
        config.matrixOrientation().ifPresent(settings -> settings.check(student));
        config.attentionTransfer().ifPresent(settings -> settings.check(student));
    }

    /**
     * @param model a student; left with its adapters attached
     * @return the adapters, if the experiment makes some
     */
    static Optional<LoraAdapters> each(Experiment experiment, DecoderModel model, Visitor visitor)
            throws IOException {
        ExperimentConfig config = experiment.config();
        if (config.matrixOrientation().isPresent()) {
            MatrixOrientationSettings settings = config.matrixOrientation().get();
            try (MatrixOrientation orientation = new MatrixOrientation(model, settings)) {
                visitor.stage(orientation, settings, settings.training());
            }
        }
        if (config.attentionTransfer().isPresent()) {
            AttentionTransferSettings settings = config.attentionTransfer().get();
            try (AttentionTransfer transfer = new AttentionTransfer(model, settings)) {
                visitor.stage(transfer, settings, settings.training());
            }
        }
        if (config.loraFinetune().isEmpty()) {
            return Optional.empty();
        }
        LoraFinetuneSettings settings = config.loraFinetune().get();
        LoraAdapters adapters =
                LoraAdapters.create(
                        model,
                        new LoraSettings(
                                settings.r(), settings.loraAlpha(), settings.targetModules()),
                        config.seed());
        visitor.stage(
                new NextToken(
                        "lora_finetune", model, adapters.parameters(), settings.loraDropout()),
                settings,
                settings.training());
        return Optional.of(adapters);
    }
}
