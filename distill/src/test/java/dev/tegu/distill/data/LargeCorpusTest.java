package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A corpus whose tokens are three times the heap of the process that builds and reads them. */
final class LargeCorpusTest {
    private static final int LINES = 800_000;
    private static final String LINE = "a line of 62 characters and a number that tells it apart ";

    @TempDir Path dir;

    @Test
    void tokensOf200MegabytesAreBuiltAndReadWith64MegabytesOfHeap() throws Exception {
        Path text = dir.resolve("a.txt");
        try (BufferedWriter out = Files.newBufferedWriter(text)) {
            for (int i = 0; i < LINES; i++) {
                out.write(LINE + (100_000 + i % 900_000) + "\n");
            }
        }

        Process child =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx64m",
                                "-cp",
                                System.getProperty("java.class.path"),
                                LargeCorpusTest.class.getName(),
                                text.toString(),
                                dir.resolve("data").toString())
                        .redirectErrorStream(true)
                        .start();
        String said = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertTrue(child.waitFor(60, TimeUnit.SECONDS));
        assertEquals(0, child.exitValue(), said);
        assertTrue(Files.size(dir.resolve("data/train.tokens")) > 200_000_000);
        assertTrue(said.strip().endsWith("read"), said);
    }

    /** What the child does: builds the token file, reads an epoch of batches, prints "read". */
    @SuppressWarnings("SystemOut")
    public static void main(String[] arguments) throws IOException {
        DataSettings settings =
                new DataSettings(
                        List.of(arguments[0]),
                        List.of(),
                        List.of(),
                        DataFormat.TEXT,
                        512,
                        Packing.JOINED,
                        false,
                        0);
        PackedDataset data =
                Packed.folder(Path.of(arguments[1]), new CharTokenizer(true, true))
                        .load(settings)
                        .train();
        BatchOrder order = new BatchOrder(data.size(), 64, 3);
        for (long step = 0; step < data.size() / 64; step++) {
            for (int index : order.batch(step)) {
                int[] ids = data.get(index).ids();
                if (ids[0] != CharTokenizer.BOS || ids[1] > 'z') {
                    throw new IllegalStateException(
                            "sequence " + index + " is not what was written");
                }
            }
        }
        System.out.println("read");
    }
}
