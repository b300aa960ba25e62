package dev.tegu.distill.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.SplittableRandom;

/** Sequences without meaning, for measurements of speed and memory. */
public final class RandomTokens {
    private RandomTokens() {}

    /**
     * @param vocabulary ids are drawn from 0 to this - 1
     * @param sequences how many, at least 1
     * @param length tokens of each, at least 2
     * @param folder where the tokens stand while they are made; nothing is left there on systems
     *     that let a mapped file be removed
     */
    public static PackedDataset of(
            int vocabulary, int sequences, int length, long seed, Path folder) throws IOException {
        Path file = folder.resolve("random.tokens");
        SplittableRandom random = new SplittableRandom(seed);
        try (TokenFileWriter writer = new TokenFileWriter(file)) {
            for (int i = 0; i < sequences; i++) {
                int[] ids = random.ints(length, 0, vocabulary).toArray();
                writer.append(Document.of(ids, 0));
            }
            writer.finish(new byte[TokenFile.DIGEST]);
        }
        try {
            return PackedDataset.of(
                    TokenFile.open(file),
                    new Cutting(length, Packing.JOINED, false, OptionalInt.empty()),
                    "random tokens",
                    "make more");
        } finally {
            Files.delete(file);
        }
    }
}
