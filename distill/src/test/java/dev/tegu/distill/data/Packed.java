package dev.tegu.distill.data;

import dev.tegu.tokenizer.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Data sets for tests, whose token files are gone before they are read. */
public final class Packed {
    private Packed() {}

    /** Some files as one stream, nothing put in front of its sequences. */
    public static PackedDataset load(
            List<Path> files, DataFormat format, int sequenceLength, TextTokenizer tokenizer)
            throws IOException {
        return inside(
                dir ->
                        folder(dir, tokenizer)
                                .load(
                                        DataFiles.Split.TRAIN,
                                        files.stream().map(Path::toString).toList(),
                                        format,
                                        sequenceLength));
    }

    /** One file of JSON lines, a character a token, with BOS and EOS around each document. */
    public static PackedDataset load(Path file, int sequenceLength, boolean documentMasks)
            throws IOException {
        DataSettings settings =
                new DataSettings(
                        List.of(file.toString()),
                        List.of(),
                        List.of(),
                        DataFormat.JSONL,
                        sequenceLength,
                        Packing.JOINED,
                        documentMasks,
                        0);
        return load(settings, new CharTokenizer(true, true)).train();
    }

    /** The data of a configuration. */
    static TrainingData load(DataSettings settings, TextTokenizer tokenizer) throws IOException {
        return inside(dir -> folder(dir, tokenizer).load(settings));
    }

    /** A folder for a tokenizer without files. */
    static TokenFolder folder(Path dir, TextTokenizer tokenizer) {
        return new TokenFolder(
                dir,
                tokenizer,
                tokenizer.toString(),
                () -> {
                    throw new AssertionError("no template was expected to be read");
                });
    }

    private interface Loading<T> {
        T from(Path dir) throws IOException;
    }

    private static <T> T inside(Loading<T> loading) throws IOException {
        Path dir = Files.createTempDirectory("tokens");
        try {
            return loading.from(dir);
        } finally {
            try (Stream<Path> files = Files.list(dir)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(dir);
        }
    }
}
