package dev.tegu.distill.data;

import dev.tegu.tokenizer.HuggingFaceTextTokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * What the stages read.
 *
 * @param train what is trained on
 * @param validation what is measured
 * @param files that were read to train on
 */
public record TrainingData(
        PackedDataset train, Optional<PackedDataset> validation, List<Path> files) {
    /** Takes a copy. */
    public TrainingData {
        files = List.copyOf(files);
    }

    /**
     * As {@link TokenFolder#load(DataSettings)}.
     *
     * @param dir where the tokens are kept
     */
    public static TrainingData load(
            DataSettings settings, HuggingFaceTextTokenizer tokenizer, Path dir)
            throws IOException {
        return TokenFolder.of(dir, tokenizer).load(settings);
    }

    /** Size of the token files. */
    public long bytes() {
        return train.bytes() + validation.map(PackedDataset::bytes).orElse(0L);
    }

    /** One line for a person. */
    @Override
    public String toString() {
        Path first = files.get(0);
        Path last = files.get(files.size() - 1);
        return String.format(
                Locale.ROOT,
                "%,d tokens to train on, in %,d sequences of %d, from %,d documents of %s%s",
                train.tokens(),
                train.size(),
                train.sequenceLength(),
                train.documents(),
                files.size() == 1 ? first : files.size() + " files, " + first + " to " + last,
                validation
                        .map(v -> String.format(Locale.ROOT, "; %,d to validate on", v.tokens()))
                        .orElse(""));
    }
}
