package dev.tegu.cli.pretrain;

import ai.djl.Device;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tegu.checkpoint.CheckpointException;
import dev.tegu.checkpoint.DType;
import dev.tegu.checkpoint.Manifest;
import dev.tegu.cli.console.Console;
import dev.tegu.cli.experiment.ExportSettings.WeightType;
import dev.tegu.cli.watch.Watch;
import dev.tegu.distill.NextToken;
import dev.tegu.distill.StageCheckpoints;
import dev.tegu.distill.TrainingLoop;
import dev.tegu.distill.data.DataFormat;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.engine.Engines;
import dev.tegu.eval.corpus.DemoCorpus;
import dev.tegu.model.DecoderModel;
import dev.tegu.model.ModelConfig;
import dev.tegu.model.ModelWriter;
import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import dev.tegu.tokenizer.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Trains a Llama from scratch. Leaves under the output directory:
 *
 * <pre>
 * config.effective.yaml   every setting
 * corpus/                 the generated corpus and its tokenizer, if it is generated
 * metrics.jsonl           losses
 * tensorboard/            the same for TensorBoard, with rates
 * report.html             the same as a page
 * checkpoints/            states from which a killed run goes on
 * model/                  the model, in the HuggingFace layout
 * </pre>
 */
public final class Pretraining {
    private static final String STAGE = "pretrain";
    private static final String EFFECTIVE_CONFIG = "config.effective.yaml";

    private final PretrainConfig config;
    private final Path root;
    private final Console console;

    /**
     * @param console where progress goes
     */
    public Pretraining(PretrainConfig config, Console console) {
        this.config = config;
        this.root = Path.of(config.output());
        this.console = console;
    }

    /**
     * Trains and writes the model, unless an earlier run that is resumed has.
     *
     * @param resume whether an earlier run in the same directory may be gone on with
     * @return the model's directory
     * @throws CheckpointException if the output directory holds something and {@code resume} is
     *     false, or holds a run with other settings
     */
    public Path run(boolean resume) throws IOException {
        // Asked first: a device that is not there is found before anything is written.
        Device device = Engines.device(config.device());
        open(resume);
        Path model = root.resolve("model");
        if (Files.exists(model.resolve(Manifest.FILE_NAME))) {
            console.say(model + ": written by an earlier run");
            return model;
        }
        Path tokenizerDir = tokenizerDirectory();
        try (HuggingFaceTextTokenizer tokenizer = HuggingFaceTextTokenizer.load(tokenizerDir)) {
            ObjectNode json = config.model().configJson(tokenizer);
            ModelConfig shape = ModelConfig.parse(json, "config.json");
            try (DecoderModel decoder = DecoderModel.random(shape, device, config.seed())) {
                train(decoder, tokenizer);
                ModelWriter.of(decoder, json, dtype(config.dtype()))
                        .tokenizer(tokenizerDir)
                        .extra(dir -> writeGeneration(json, dir.path("generation_config.json")))
                        .property("seed", String.valueOf(config.seed()))
                        .write(model);
            }
        }
        return model;
    }

    private void open(boolean resume) throws IOException {
        Path file = root.resolve(EFFECTIVE_CONFIG);
        String yaml = config.effectiveYaml();
        if (resume && Files.exists(file)) {
            if (!Files.readString(file).equals(yaml)) {
                throw new CheckpointException(
                        root
                                + ": holds a run with other settings, see "
                                + file
                                + "; use the old settings, or another `output`");
            }
            return;
        }
        if (Files.exists(root) && !isEmptyDirectory(root)) {
            throw new CheckpointException(
                    root
                            + ": exists and is not empty; name another `output`, remove it, or go on"
                            + " with an interrupted run by --resume");
        }
        Files.createDirectories(root);
        Path partial = root.resolve("." + EFFECTIVE_CONFIG + ".partial");
        Files.writeString(partial, yaml);
        Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE);
    }

    private static boolean isEmptyDirectory(Path path) throws IOException {
        if (!Files.isDirectory(path)) {
            return false;
        }
        try (Stream<Path> entries = Files.list(path)) {
            return entries.findAny().isEmpty();
        }
    }

    private Path corpusDirectory() {
        return root.resolve("corpus");
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

    private void train(DecoderModel decoder, TextTokenizer tokenizer) throws IOException {
        PackedDataset train = dataset(config.data().train(), DemoCorpus.TRAIN, tokenizer);
        List<String> held = config.data().validation();
        Optional<PackedDataset> validation =
                config.corpus().isEmpty() && held.isEmpty()
                        ? Optional.empty()
                        : Optional.of(dataset(held, DemoCorpus.VALIDATION, tokenizer));
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
                        root.resolve("checkpoints").resolve(STAGE),
                        Map.of("config", config.effectiveYaml()));
        try (Watch watch = Watch.open(root, STAGE, checkpoints.lastStep(), console)) {
            new TrainingLoop(
                            train,
                            validation,
                            config.pretrain().training(),
                            config.seed(),
                            watch.listener())
                    .run(NextToken.overAllWeights(STAGE, decoder), decoder.manager(), checkpoints);
        }
    }

    /** The named files, or that file of the generated corpus. */
    private PackedDataset dataset(List<String> named, String generated, TextTokenizer tokenizer) {
        boolean generates = config.corpus().isPresent();
        List<Path> files =
                generates
                        ? List.of(corpusDirectory().resolve(generated))
                        : named.stream().map(Path::of).toList();
        return PackedDataset.load(
                files,
                generates ? DataFormat.JSONL : config.data().format(),
                config.data().sequenceLength(),
                tokenizer);
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
