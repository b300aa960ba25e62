package dev.tegu.cli.pipeline;

import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.console.Console;
import dev.tegu.cli.console.TrainingConsole;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentConfig;
import dev.tegu.config.ConfigBinder;
import dev.tegu.distill.LoraFinetuneSettings;
import dev.tegu.distill.Objective;
import dev.tegu.distill.StageCheckpoints;
import dev.tegu.distill.TrainingLoop;
import dev.tegu.distill.TrainingSettings;
import dev.tegu.distill.data.DataSettings;
import dev.tegu.distill.metrics.MetricsLog;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.Engines;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelWriter;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** The training stages of an experiment: from a teacher's directory to a student's. */
public final class Training {
    /** Why a stage is left out: Liger, for one, adds no parameters. */
    static final String NOTHING_TO_TRAIN = "the method has no new parameters to train";

    private final Experiment experiment;
    private final Console console;

    /**
     * @param console where progress goes
     */
    public Training(Experiment experiment, Console console) {
        this.experiment = experiment;
        this.console = console;
    }

    /** Runs the stages and writes the student, unless an earlier run has. */
    public void run(RunDirectory run) throws IOException {
        if (RunDirectory.isWritten(run.student())) {
            console.say(run.student() + ": written by an earlier run");
            return;
        }
        ExperimentConfig config = experiment.config();
        Path teacher = Path.of(config.teacher());
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            // Made first: it refuses what cannot become a student before anything is computed.
            ModelWriter writer = ModelWriter.student(files, experiment.method(), config.seed());
            try (DecoderModel model = load(files, experiment);
                    HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(teacher)) {
                StageRuns stages = new StageRuns(run, model, tokenizer);
                run.begin();
                Optional<LoraAdapters> adapters = Stages.each(experiment, model, stages::train);
                writer.parameters(model);
                if (config.loraFinetune().filter(LoraFinetuneSettings::trainsWeights).isPresent()) {
                    writer.weights(model);
                }
                adapters.ifPresent(a -> a.addTo(writer));
                writer.write(run.student());
            }
        }
    }

    /**
     * The teacher with the experiment's attention, its weights in the experiment's type.
     *
     * @throws dev.tegu.config.InvalidValueException if a stage does not fit the model
     */
    static DecoderModel load(HuggingFaceDirectory files, Experiment experiment) throws IOException {
        ExperimentConfig config = experiment.config();
        ModelConfig student =
                ModelConfig.parse(files.config(), files.path().resolve("config.json").toString())
                        .withLinearAttention(Optional.of(experiment.method()));
        Stages.check(config, student);
        return DecoderModel.load(
                files,
                student,
                Engines.device(config.device()),
                config.seed(),
                config.dtype().of(files, student),
                config.loraFinetune().filter(LoraFinetuneSettings::trainsWeights).isPresent());
    }

    /** Data and checkpoints that the stages share. */
    private final class StageRuns {
        private final RunDirectory run;
        private final DecoderModel model;
        private final Optional<TrainingData> data;

        StageRuns(RunDirectory run, DecoderModel model, HuggingFaceTextTokenizer tokenizer) {
            this.run = run;
            this.model = model;
            this.data = experiment.config().data().map(d -> TrainingData.load(d, tokenizer));
            data.ifPresent(d -> console.say(d.toString()));
        }

        /**
         * @param block the stage's block of the configuration
         */
        void train(Objective objective, Record block, TrainingSettings settings)
                throws IOException {
            if (objective.groups().isEmpty()) {
                console.say(objective.stage() + ": skipped, " + NOTHING_TO_TRAIN);
                return;
            }
            StageCheckpoints checkpoints =
                    new StageCheckpoints(
                            run.checkpoints(objective.stage()), identity(objective, block));
            try (MetricsLog metrics =
                            MetricsLog.resume(
                                    run.metrics(), objective.stage(), checkpoints.lastStep());
                    TrainingConsole progress = new TrainingConsole(console)) {
                new TrainingLoop(
                                data.orElseThrow().train(),
                                data.orElseThrow().validation(),
                                settings,
                                experiment.config().seed(),
                                TrainingListener.all(List.of(metrics, progress)))
                        .run(objective, model.manager(), checkpoints);
            }
        }

        /** What a checkpoint of a stage belongs to. */
        private Map<String, String> identity(Objective objective, Record block) throws IOException {
            Map<String, String> identity = new TreeMap<>();
            identity.put("teacher", experiment.config().teacher());
            identity.put("method", ConfigBinder.toMap(experiment.method()).toString());
            identity.put(objective.stage(), ConfigBinder.toMap(block).toString());
            identity.put("dtype", model.dtype().name());
            identity.put("seed", String.valueOf(experiment.config().seed()));
            DataSettings data = experiment.config().data().orElseThrow();
            for (String file : data.train()) {
                identity.put("data " + file, Files.size(Path.of(file)) + " bytes");
            }
            identity.put("sequence_length", String.valueOf(data.sequenceLength()));
            return identity;
        }
    }
}
