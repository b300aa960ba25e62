package dev.tegu.cli.pretrain;

import ai.djl.Device;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.StagedDirectory;
import dev.tegu.cli.StopSignal;
import dev.tegu.cli.console.Console;
import dev.tegu.cli.experiment.ExportSettings.WeightType;
import dev.tegu.cli.pipeline.RunDirectory;
import dev.tegu.cli.pipeline.RunIdentity;
import dev.tegu.cli.watch.Watch;
import dev.tegu.distill.NextToken;
import dev.tegu.distill.StageCheckpoints;
import dev.tegu.distill.TrainingLoop;
import dev.tegu.distill.data.DataFiles.Split;
import dev.tegu.distill.data.DataFormat;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.distill.data.TokenFolder;
import dev.tegu.engine.Engines;
import dev.tegu.eval.corpus.DemoCorpus;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelWriter;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * Trains a Llama from scratch. Leaves under the output directory:
 *
 * <pre>
 * config.effective.yaml   every setting
 * corpus/                 the generated corpus and its tokenizer, if it is generated
 * data/                   the tokens of the data; made again where they are missing
 * metrics.jsonl           losses
 * tensorboard/            the same for TensorBoard, with rates
 * report.html             the same as a page
 * checkpoints/            states from which a killed run goes on
 * model/                  the model, in the HuggingFace layout
 * </pre>
 */
public final class Pretraining {
    private static final String STAGE = "pretrain";
    private static final String MODEL = "model";
    private static final String CORPUS = "corpus";

    private final PretrainConfig config;
    private final Path root;
    private final Console console;
    private final StopSignal stop;

    /**
     * @param console where progress goes
     * @param stop what may end the training before its time
     */
    public Pretraining(PretrainConfig config, Console console, StopSignal stop) {
        this.config = config;
        this.root = Path.of(config.output());
        this.console = console;
        this.stop = stop;
    }

    /**
     * Trains and writes the model, unless an earlier run that is resumed has.
     *
     * @param resume whether an earlier run in the same directory may be gone on with
     * @return the model's directory
     * @throws CheckpointException if the output directory holds something and {@code resume} is
     *     false, or holds a run with other settings or data
     * @throws dev.tegu.distill.StoppedException if a signal has ended it; it can be gone on with
     */
    public Path run(boolean resume) throws IOException {
        // Asked first: a device that is not there is found before anything is written.
        Device device = Engines.device(config.device());
        try (RunDirectory run = RunDirectory.open(root, config.effectiveYaml(), resume)) {
            return run(run, device);
        }
    }

    private Path run(RunDirectory run, Device device) throws IOException {
        run.begin();
        StagedDirectory.removeLeftovers(root, Set.of(MODEL, CORPUS)::contains);
        Path model = root.resolve(MODEL);
        Path tokenizerDir = tokenizerDirectory();
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(tokenizerDir)) {
            TokenFolder folder = TokenFolder.of(run.data(), tokenizer);
            PackedDataset train =
                    dataset(folder, Split.TRAIN, config.data().train(), DemoCorpus.TRAIN);
            List<String> held = config.data().validation();
            Optional<PackedDataset> validation =
                    config.corpus().isEmpty() && held.isEmpty()
                            ? Optional.empty()
                            : Optional.of(
                                    dataset(folder, Split.VALIDATION, held, DemoCorpus.VALIDATION));
            RunIdentity identity = RunIdentity.empty().withData(train, validation);
            if (RunDirectory.isWritten(model)) {
                identity.requireSame(model);
                console.say(model + ": written by an earlier run");
                return model;
            }
            ObjectNode json = config.model().configJson(tokenizer);
            ModelConfig shape = ModelConfig.parse(json, "config.json");
            try (DecoderModel decoder = DecoderModel.random(shape, device, config.seed())) {
                train(run, identity, decoder, train, validation);
                ModelWriter writer =
                        ModelWriter.of(decoder, json, dtype(config.dtype()))
                                .tokenizer(tokenizerDir)
                                .extra(
                                        dir ->
                                                writeGeneration(
                                                        json, dir.path("generation_config.json")))
                                .property("seed", String.valueOf(config.seed()));
                identity.facts().forEach(writer::property);
                writer.write(model);
            }
        }
        return model;
    }

    private Path corpusDirectory() {
        return root.resolve(CORPUS);
    }

    private Path tokenizerDirectory() throws IOException {
        if (config.corpus().isEmpty()) {
            return Path.of(config.tokenizer().orElseThrow());
        }
        Path dir = corpusDirectory();
        console.say(dir + ": generating the corpus and its tokenizer");
        Corpus.write(
                dir,
                config.corpus().get(),
                config.vocabSize(),
                config.model().maxPositionEmbeddings());
        return dir;
    }

    private void train(
            RunDirectory run,
            RunIdentity identity,
            DecoderModel decoder,
            PackedDataset train,
            Optional<PackedDataset> validation)
            throws IOException {
        console.say(
                String.format(
                        Locale.ROOT,
                        "%,d tokens of text in %,d sequences of %d; the run reads %,d",
                        train.tokens(),
                        train.size(),
                        train.sequenceLength(),
                        config.pretrain().training().tokens()));
        StageCheckpoints checkpoints =
                new StageCheckpoints(
                        run.checkpoints(STAGE), identity.withSettings("config", config).facts());
        try (Watch watch = Watch.open(root, STAGE, checkpoints.lastStep(), console)) {
            stop.heed(
                    STAGE,
                    isAsked ->
                            new TrainingLoop(
                                            train,
                                            validation,
                                            config.pretrain().training(),
                                            config.seed(),
                                            watch.listener(),
                                            isAsked)
                                    .run(
                                            NextToken.overAllWeights(STAGE, decoder),
                                            decoder.manager(),
                                            checkpoints));
        }
    }

    /** The named files, or that file of the generated corpus. */
    private PackedDataset dataset(
            TokenFolder folder, Split side, List<String> named, String generated)
            throws IOException {
        boolean generates = config.corpus().isPresent();
        return folder.load(
                side,
                generates ? List.of(corpusDirectory().resolve(generated).toString()) : named,
                generates ? DataFormat.JSONL : config.data().format(),
                config.data().sequenceLength());
    }

    private static void writeGeneration(ObjectNode config, Path file) throws IOException {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("_from_model_config", true);
        for (String key : List.of("bos_token_id", "eos_token_id")) {
            if (config.has(key)) {
                json.set(key, config.get(key));
            }
        }
        Files.writeString(file, json.toPrettyString() + "\n");
    }

    private static DType dtype(WeightType type) {
        return switch (type) {
            case FLOAT32 -> DType.F32;
            case FLOAT16 -> DType.F16;
            case BFLOAT16 -> DType.BF16;
        };
    }
}
