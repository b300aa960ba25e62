package dev.tegu.distill.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.jerolba.carpet.CarpetWriter;
import dev.tegu.records.DataException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The same records in every kind of file. */
final class RecordFilesTest {
    private static final CharTokenizer MARKS = new CharTokenizer(true, true);

    @TempDir Path dir;

    record Text(long id, String text) {}

    record Pair(String prompt, String completion) {}

    record Instruction(String instruction, String input, String output) {}

    private <T> Path parquet(String name, Class<T> type, CompressionCodecName codec, List<T> rows)
            throws IOException {
        Path file = dir.resolve(name);
        try (OutputStream out = Files.newOutputStream(file);
                CarpetWriter<T> writer =
                        new CarpetWriter.Builder<>(out, type)
                                .withCompressionCodec(codec)
                                .withRowGroupSize(1024)
                                .build()) {
            writer.write(rows);
        }
        return file;
    }

    private Path text(String name, String content) throws IOException {
        byte[] bytes = content.getBytes(StandardCharsets.UTF_8);
        return Files.write(dir.resolve(name), name.endsWith(".gz") ? gzip(bytes) : bytes);
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (OutputStream out = new GZIPOutputStream(packed)) {
            out.write(bytes);
        }
        return packed.toByteArray();
    }

    private static int[] tokens(Path file, DataFormat format) throws IOException {
        PackedDataset data = Packed.load(List.of(file), format, 2, MARKS);
        return IntStream.range(0, data.size())
                .mapToObj(data::get)
                .flatMapToInt(
                        s -> IntStream.concat(Arrays.stream(s.ids()), Arrays.stream(s.labels())))
                .toArray();
    }

    @ParameterizedTest
    @EnumSource(
            value = CompressionCodecName.class,
            names = {"UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "LZ4_RAW"})
    void aColumnOfTextReadsAsLinesDo(CompressionCodecName codec) throws IOException {
        List<Text> rows = IntStream.range(0, 500).mapToObj(i -> new Text(i, "text " + i)).toList();
        StringBuilder lines = new StringBuilder();
        rows.forEach(row -> lines.append("{\"text\": \"" + row.text() + "\"}\n"));

        assertArrayEquals(
                tokens(text("a.jsonl", lines.toString()), DataFormat.JSONL),
                tokens(parquet("a.parquet", Text.class, codec, rows), DataFormat.JSONL));
    }

    @Test
    void pairsAndInstructionsReadFromParquetAsFromJson() throws IOException {
        List<Pair> pairs = List.of(new Pair("ab", "cd"), new Pair("e", "fgh"));
        List<Instruction> instructions =
                List.of(new Instruction("Add.", null, "two"), new Instruction("Say.", "a", "b"));
        CompressionCodecName codec = CompressionCodecName.SNAPPY;

        assertArrayEquals(
                tokens(
                        text(
                                "p.json",
                                "[{\"prompt\": \"ab\", \"completion\": \"cd\"},\n"
                                        + "{\"prompt\": \"e\", \"completion\": \"fgh\"}]"),
                        DataFormat.JSONL),
                tokens(parquet("p.parquet", Pair.class, codec, pairs), DataFormat.JSONL));
        assertArrayEquals(
                tokens(
                        text(
                                "i.jsonl",
                                "{\"instruction\": \"Add.\", \"output\": \"two\"}\n{\"instruction\":"
                                        + " \"Say.\", \"input\": \"a\", \"output\": \"b\"}\n"),
                        DataFormat.ALPACA),
                tokens(
                        parquet("i.parquet", Instruction.class, codec, instructions),
                        DataFormat.ALPACA));
    }

    @Test
    void aNameThatEndsInGzIsUnpacked() throws IOException {
        String lines = "{\"text\": \"ab\"}\n{\"text\": \"cd\"}\n";

        assertArrayEquals(
                tokens(text("a.jsonl", lines), DataFormat.JSONL),
                tokens(text("a.jsonl.gz", lines), DataFormat.JSONL));
        assertArrayEquals(
                tokens(text("a.txt", "running\ntext"), DataFormat.TEXT),
                tokens(text("a.txt.gz", "running\ntext"), DataFormat.TEXT));
    }

    @Test
    void aFaultInARowNamesIt() throws IOException {
        Path file =
                parquet(
                        "a.parquet",
                        Text.class,
                        CompressionCodecName.SNAPPY,
                        List.of(new Text(0, "a"), new Text(1, null)));

        refused(
                file,
                DataFormat.JSONL,
                ": row 2: expected the field `text`, or `prompt` and `completion`, found `text`");
        refused(
                file,
                DataFormat.ALPACA,
                ": none of the columns `instruction`, `input`, `output` is there, found `id`, `text`");
        refused(file, DataFormat.TEXT, ": holds records, not running text; use `format: jsonl`");
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "foreign, ': not a Parquet file, it does not begin with PAR1'",
        "empty, ': not a Parquet file'",
        "cut, ': cut short, a Parquet file ends with PAR1'",
        "damaged, ': damaged Parquet ('"
    })
    void damagedParquetIsOneNamedLine(String fault, String expected) throws IOException {
        List<Text> rows = IntStream.range(0, 500).mapToObj(i -> new Text(i, "text " + i)).toList();
        Path file = parquet("a.parquet", Text.class, CompressionCodecName.ZSTD, rows);
        byte[] bytes = Files.readAllBytes(file);
        if (fault.equals("damaged")) {
            Arrays.fill(bytes, 10, 400, (byte) 0x5A);
        }
        Files.write(
                file,
                switch (fault) {
                    case "foreign" -> "version https://git-lfs".getBytes(StandardCharsets.UTF_8);
                    case "empty" -> new byte[0];
                    case "cut" -> Arrays.copyOf(bytes, bytes.length / 2);
                    default -> bytes;
                });

        refused(file, DataFormat.JSONL, expected);
    }

    @Test
    void damagedGzipAndZstdAreNamed() throws IOException {
        byte[] packed = gzip("{\"text\": \"ab\"}\n".repeat(500).getBytes(StandardCharsets.UTF_8));

        refused(
                Files.write(dir.resolve("a.jsonl.gz"), Arrays.copyOf(packed, packed.length - 12)),
                DataFormat.JSONL,
                ": damaged gzip (");
        refused(
                Files.writeString(dir.resolve("b.jsonl.gz"), "{\"text\": \"not packed\"}"),
                DataFormat.JSONL,
                ": damaged gzip (Not in GZIP format)");
        refused(
                Files.writeString(dir.resolve("c.jsonl.zst"), "x"),
                DataFormat.JSONL,
                ": zstd is not unpacked here");
    }

    private static void refused(Path file, DataFormat format, String expected) {
        DataException e = assertThrows(DataException.class, () -> tokens(file, format));

        assertTrue(e.getMessage().startsWith(file + expected), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }
}
