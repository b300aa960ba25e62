package dev.tegu.cli.pipeline;

import dev.tegu.distill.data.DataSettings;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.tokenizer.TextTokenizer;
import java.util.Optional;

/**
 * What the stages read.
 *
 * @param train what is trained on
 * @param validation what is measured
 */
record TrainingData(PackedDataset train, Optional<PackedDataset> validation) {
    static TrainingData load(DataSettings settings, TextTokenizer tokenizer) {
        Optional<PackedDataset> validation =
                settings.validation().isEmpty()
                        ? Optional.empty()
                        : Optional.of(
                                PackedDataset.load(settings, settings.validation(), tokenizer));
        return new TrainingData(
                PackedDataset.load(settings, settings.train(), tokenizer), validation);
    }

    /** One line for a person. */
    @Override
    public String toString() {
        return String.format(
                "%,d tokens to train on, in %,d sequences of %d",
                train.tokens(), train.size(), train.sequenceLength());
    }
}
