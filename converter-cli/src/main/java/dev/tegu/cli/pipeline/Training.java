package dev.tegu.cli.pipeline;

import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.HuggingFaceDirectory;
import dev.tegu.cli.StopSignal;
import dev.tegu.cli.console.Console;
import dev.tegu.cli.experiment.Experiment;
import dev.tegu.cli.experiment.ExperimentConfig;
import dev.tegu.cli.watch.Watch;
import dev.tegu.distill.LoraFinetuneSettings;
import dev.tegu.distill.Objective;
import dev.tegu.distill.StageCheckpoints;
import dev.tegu.distill.TrainingLoop;
import dev.tegu.distill.TrainingSettings;
import dev.tegu.distill.data.TrainingData;
import dev.tegu.distill.metrics.TrainingListener;
import dev.tegu.engine.Engines;
import dev.tegu.lora.LoraAdapters;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelWriter;
import dev.tegu.records.DataException;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The training stages of an experiment: from a teacher's directory to a student's. */
public final class Training {
    /** Why a stage is left out: Liger, for one, adds no parameters. */
    static final String NOTHING_TO_TRAIN = "the method has no new parameters to train";

    private final Experiment experiment;
    private final Console console;
    private final StopSignal stop;

    /**
     * @param console where progress goes
     * @param stop what may end the training before its time
     */
    public Training(Experiment experiment, Console console, StopSignal stop) {
        this.experiment = experiment;
        this.console = console;
        this.stop = stop;
    }

    /**
     * Runs the stages and writes the student, unless an earlier run has.
     *
     * @throws dev.tegu.checkpoint.CheckpointException if the run was begun with another teacher or
     *     other data
     * @throws dev.tegu.distill.StoppedException if a signal has ended it; it can be gone on with
     */
    public void run(RunDirectory run) throws IOException {
        ExperimentConfig config = experiment.config();
        Path teacher = Path.of(config.teacher());
        try (HuggingFaceDirectory files = HuggingFaceDirectory.open(teacher)) {
            boolean isWritten = RunDirectory.isWritten(run.student());
            // Made first: it refuses what cannot become a student before anything is computed.
            ModelWriter writer = ModelWriter.student(files, experiment.method(), config.seed());
            writer.model().notes().forEach(note -> console.say("note: " + note));
            Stages.check(config, studentConfig(files, experiment));
            Engines.device(config.device());
            RunIdentity base = RunIdentity.empty().withBaseModel(files, console);
            try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(teacher)) {
                run.begin();
                Optional<TrainingData> data = data(run, tokenizer);
                RunIdentity identity =
                        data.map(d -> base.withData(d.train(), d.validation())).orElse(base);
                if (isWritten) {
                    identity.requireSame(run.student());
                    console.say(run.student() + ": written by an earlier run");
                    return;
                }
                data.ifPresent(d -> console.say(d.toString()));
                try (DecoderModel model = load(files, experiment)) {
                    StageRuns stages = new StageRuns(run, model, data, identity);
                    Optional<LoraAdapters> adapters = Stages.each(experiment, model, stages::train);
                    writer.parameters(model);
                    if (trainsWeights(config)) {
                        writer.weights(model);
                    }
                    adapters.ifPresent(a -> a.addTo(writer));
                    identity.facts().forEach(writer::property);
                    writer.property("trained_parameters", Long.toString(stages.trained()));
                    writer.write(run.student());
                }
            }
        }
    }

    /** Encodes the data, or takes what an earlier start of the run has encoded. */
    private Optional<TrainingData> data(RunDirectory run, HuggingFaceTextTokenizer tokenizer)
            throws IOException {
        if (experiment.config().data().isEmpty()) {
            return Optional.empty();
        }
        try {
            return Optional.of(
                    TrainingData.load(experiment.config().data().get(), tokenizer, run.data()));
        } catch (DataException | CheckpointException e) {
            run.withdraw();
            throw e;
        }
    }

    /** The teacher with the experiment's attention. */
    static ModelConfig studentConfig(HuggingFaceDirectory files, Experiment experiment) {
        return ModelConfig.parse(files.config(), files.path().resolve("config.json").toString())
                .withLinearAttention(Optional.of(experiment.method()));
    }

    /**
     * The teacher with the experiment's attention, its weights in the experiment's type.
     *
     * @throws dev.tegu.config.InvalidValueException if a stage does not fit the model
     */
    static DecoderModel load(HuggingFaceDirectory files, Experiment experiment) throws IOException {
        ExperimentConfig config = experiment.config();
        ModelConfig student = studentConfig(files, experiment);
        Stages.check(config, student);
        return DecoderModel.load(
                files,
                student,
                Engines.device(config.device()),
                config.seed(),
                config.dtype().of(files, student),
                trainsWeights(config));
    }

    private static boolean trainsWeights(ExperimentConfig config) {
        return config.loraFinetune().filter(LoraFinetuneSettings::trainsWeights).isPresent();
    }

    /** Data and checkpoints that the stages share. */
    private final class StageRuns {
        private final RunDirectory run;
        private final DecoderModel model;
        private final Optional<TrainingData> data;
        private final RunIdentity identity;

        /** Numbers in each array that a stage has trained; some are trained by several. */
        private final Map<String, Long> trained = new HashMap<>();

        StageRuns(
                RunDirectory run,
                DecoderModel model,
                Optional<TrainingData> data,
                RunIdentity identity) {
            this.run = run;
            this.model = model;
            this.data = data;
            this.identity = identity;
        }

        /** Parameters that some stage has trained. */
        long trained() {
            return trained.values().stream().mapToLong(Long::longValue).sum();
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
            objective
                    .groups()
                    .forEach(
                            group ->
                                    group.parameters()
                                            .values()
                                            .forEach(p -> trained.put(p.getUid(), p.size())));
            StageCheckpoints checkpoints =
                    new StageCheckpoints(
                            run.checkpoints(objective.stage()), identity(objective, block));
            StageMemory memory =
                    StageMemory.of(
                            model,
                            objective,
                            block,
                            settings,
                            data.orElseThrow().train().sequenceLength());
            StageMemory.Progress progress = new StageMemory.Progress();
            try (Watch watch =
                    Watch.open(run.root(), objective.stage(), checkpoints.lastStep(), console)) {
                TrainingListener listener =
                        TrainingListener.all(List.of(progress, watch.listener()));
                stop.heed(
                        objective.stage(),
                        isAsked ->
                                memory.watch(
                                        progress,
                                        () ->
                                                new TrainingLoop(
                                                                data.orElseThrow().train(),
                                                                data.orElseThrow().validation(),
                                                                settings,
                                                                experiment.config().seed(),
                                                                listener,
                                                                isAsked)
                                                        .run(
                                                                objective,
                                                                model.manager(),
                                                                checkpoints)));
            }
        }

        /** What a checkpoint of a stage belongs to. */
        private Map<String, String> identity(Objective objective, Record block) {
            return identity.with("seed", String.valueOf(experiment.config().seed()))
                    .with("dtype", model.dtype().name())
                    .withSettings("method", experiment.method())
                    .withSettings("data", experiment.config().data().orElseThrow())
                    .withSettings(objective.stage(), block)
                    .facts();
        }
    }
}
