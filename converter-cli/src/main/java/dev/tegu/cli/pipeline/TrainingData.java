package dev.tegu.cli.pipeline;

import dev.tegu.distill.data.DataFormat;
import dev.tegu.distill.data.DataSettings;
import dev.tegu.distill.data.PackedDataset;
import dev.tegu.tokenizer.TextTokenizer;
import java.nio.file.Path;
import java.util.List;
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
                        : Optional.of(load(settings, settings.validation(), tokenizer));
        return new TrainingData(load(settings, settings.train(), tokenizer), validation);
    }

    private static PackedDataset load(
            DataSettings settings, List<String> files, TextTokenizer tokenizer) {
        PackedDataset data =
                PackedDataset.load(
                        files.stream().map(Path::of).toList(),
                        settings.format(),
                        settings.sequenceLength(),
                        tokenizer);
        // Running text has one BOS a file; documents bring their own.
        boolean opens = settings.format() == DataFormat.TEXT && tokenizer.bosId().isPresent();
        return opens ? data.openedBy(tokenizer.bosId().getAsInt()) : data;
    }

    /** One line for a person. */
    @Override
    public String toString() {
        return String.format(
                "%,d tokens to train on, in %,d sequences of %d",
                train.tokens(), train.size(), train.sequenceLength());
    }
}
