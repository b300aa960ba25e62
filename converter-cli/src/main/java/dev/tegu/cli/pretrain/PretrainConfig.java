package dev.tegu.cli.pretrain;

import dev.tegu.cli.experiment.ExportSettings.WeightType;
import dev.tegu.config.ConfigBinder;
import dev.tegu.config.ConfigException;
import dev.tegu.config.ConfigNode;
import dev.tegu.config.Default;
import dev.tegu.config.InvalidValueException;
import dev.tegu.distill.PretrainSettings;
import dev.tegu.eval.corpus.BpeTrainer;
import dev.tegu.eval.corpus.CorpusSettings;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * A model to train from scratch. Its text is either generated ({@code corpus}, which brings a
 * tokenizer of its own) or read from files ({@code data.train} with {@code tokenizer}). Relative
 * paths start at the current directory of the process, not at the file.
 *
 * @param model sizes of the model
 * @param corpus what to generate, if the text is generated
 * @param vocabSize most token ids of the generated corpus's tokenizer
 * @param tokenizer directory of the tokenizer, if the text is read
 * @param output directory of the run, made by it
 * @param seed of the initial weights and the order of the data
 * @param device {@code auto}, {@code cpu}, {@code cuda} or {@code cuda:N}
 * @param data what is read, and how long a sequence is
 * @param pretrain how much is read, and how the steps are taken
 * @param dtype type of the weights in the written model; training is float32
 */
public record PretrainConfig(
        ModelSettings model,
        Optional<CorpusSettings> corpus,
        @Default("768") int vocabSize,
        Optional<String> tokenizer,
        String output,
        @Default("0") long seed,
        @Default("auto") String device,
        @Default("{}") PretrainData data,
        PretrainSettings pretrain,
        @Default("float32") WeightType dtype) {

    /**
     * @throws InvalidValueException if two settings do not fit each other
     */
    public PretrainConfig {
        if (output.isBlank()) {
            throw new InvalidValueException("output", "expected a path, found blank text");
        }
        if (!device.matches("auto|cpu|cuda(:[0-9]{1,3})?")) {
            throw new InvalidValueException(
                    "device", "expected auto, cpu, cuda or cuda:N, found `" + device + "`");
        }
        if (vocabSize < BpeTrainer.SMALLEST_VOCABULARY || vocabSize > 65_536) {
            throw new InvalidValueException(
                    "vocab_size",
                    "expected "
                            + BpeTrainer.SMALLEST_VOCABULARY
                            + " (two marks and 256 bytes) to 65536, found "
                            + vocabSize);
        }
        if (corpus.isPresent()) {
            if (!data.train().isEmpty() || !data.validation().isEmpty()) {
                throw new InvalidValueException(
                        "data", "with the block `corpus` the text is generated; name no files");
            }
            if (tokenizer.isPresent()) {
                throw new InvalidValueException(
                        "tokenizer", "the block `corpus` brings its own tokenizer; leave one out");
            }
        } else {
            if (data.train().isEmpty()) {
                throw new InvalidValueException(
                        "data.train", "name files to train on, or give the block `corpus`");
            }
            if (tokenizer.isEmpty() || tokenizer.get().isBlank()) {
                throw new InvalidValueException(
                        "tokenizer", "name a directory with a tokenizer.json");
            }
        }
        if (data.sequenceLength() > model.maxPositionEmbeddings()) {
            throw new InvalidValueException(
                    "data.sequence_length",
                    "is "
                            + data.sequenceLength()
                            + ", above `model.max_position_embeddings` of "
                            + model.maxPositionEmbeddings());
        }
    }

    /**
     * Reads a file.
     *
     * @param overrides dotted keys and YAML values, laid over the file in this order
     * @throws ConfigException with every problem
     */
    public static PretrainConfig load(Path file, Map<String, String> overrides) {
        ConfigNode node = ConfigNode.read(file);
        for (Map.Entry<String, String> override : overrides.entrySet()) {
            node = node.with(override.getKey(), override.getValue(), "--set");
        }
        return ConfigBinder.bind(node, PretrainConfig.class);
    }

    /** All settings with their defaults. */
    String effectiveYaml() {
        return ConfigBinder.toNode(this).toYaml();
    }
}
