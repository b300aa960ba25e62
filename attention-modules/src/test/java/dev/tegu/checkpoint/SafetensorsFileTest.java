package dev.tegu.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsFileTest {

    @TempDir Path dir;

    private Path file(byte[] bytes) throws IOException {
        return Files.write(dir.resolve("x.safetensors"), bytes);
    }

    private static byte[] bytes(String header, int dataBytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + json.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .array();
    }

    private String refusalOf(byte[] bytes) throws IOException {
        Path file = file(bytes);
        CheckpointException e =
                assertThrows(CheckpointException.class, () -> SafetensorsFile.open(file));
        assertFalse(e.getMessage().contains("\n"), "one line: " + e.getMessage());
        assertTrue(e.getMessage().startsWith("x.safetensors: "), e.getMessage());
        return e.getMessage();
    }

    private void assertRefused(String header, int dataBytes, String why) throws IOException {
        String message = refusalOf(bytes(header, dataBytes));
        assertTrue(message.contains(why), message);
    }

    private static String tensor(String name, String dtype, String shape, String offsets) {
        return String.format(
                "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":%s}",
                name, dtype, shape, offsets);
    }

    @Test
    void wholeFileIsReadWithoutItsData() throws IOException {
        String header =
                "{\"__metadata__\":{\"format\":\"pt\"},"
                        + tensor("b", "F32", "[1,2]", "[2,10]")
                        + ","
                        + tensor("a", "BF16", "[]", "[0,2]")
                        + ","
                        + tensor("none", "I64", "[3,0]", "[2,2]")
                        + "}   ";
        byte[] bytes = bytes(header, 10);
        ByteBuffer data = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int dataStart = bytes.length - 10;
        data.putFloat(dataStart + 2, 1.5f).putFloat(dataStart + 6, -2f);

        try (SafetensorsFile file = SafetensorsFile.open(file(bytes))) {
            assertEquals("{format=pt}", file.metadata().toString());
            assertEquals(List.of("a", "b", "none"), List.copyOf(file.tensors().keySet()));
            TensorInfo expected = new TensorInfo("b", DType.F32, List.of(1L, 2L), dataStart + 2, 8);
            assertEquals(expected, file.info("b"));
            ByteBuffer b = file.map("b");
            assertEquals(8, b.remaining());
            assertEquals(1.5f, b.getFloat());
            assertEquals(-2f, b.getFloat());
            assertTrue(b.isReadOnly());
            assertEquals(-2f, file.map("b", 4, 4).getFloat());
            assertEquals(0, file.map("none").remaining());
            assertThrows(IndexOutOfBoundsException.class, () -> file.map("b", 5, 4));
            CheckpointException e =
                    assertThrows(CheckpointException.class, () -> file.info("nome"));
            assertEquals("x.safetensors: no tensor `nome` (did you mean `none`?)", e.getMessage());
        }
    }

    @Test
    void fileOfNoTensorsIsWhole() throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(file(bytes("{}", 0)))) {
            assertTrue(file.tensors().isEmpty());
        }
    }

    @Test
    void tensorsBeyondTwoGibibytesAreMappedInPieces() throws IOException {
        long size = 5_000_000_000L;
        String header = "{" + tensor("big", "U8", "[" + size + "]", "[0," + size + "]") + "}";
        Path path = file(bytes(header, 0));
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
            // A sparse file: the disk keeps only the last byte.
            channel.write(ByteBuffer.wrap(new byte[] {7}), channel.size() + size - 1);
        }

        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertEquals(size, file.info("big").byteLength());
            assertEquals(7, file.map("big", size - 1, 1).get());
            assertEquals(0, file.map("big", size - 2, 1).get());
            assertThrows(IndexOutOfBoundsException.class, () -> file.map("big", size, 1));
            CheckpointException e = assertThrows(CheckpointException.class, () -> file.map("big"));
            assertTrue(e.getMessage().contains("read it in pieces"), e.getMessage());
        }
    }

    /** Mapped pages count as a process's memory until they are unmapped, which may be never. */
    @Test
    void copyingATensorMapsNothing() throws IOException {
        int size = 3 << 20;
        String header = "{" + tensor("a", "U8", "[" + size + "]", "[0," + size + "]") + "}";
        BufferPoolMXBean mapped =
                ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                        .filter(pool -> pool.getName().equals("mapped"))
                        .findFirst()
                        .orElseThrow();
        Path copy = dir.resolve("copy.safetensors");

        try (SafetensorsFile file = SafetensorsFile.open(file(bytes(header, size)))) {
            long before = mapped.getCount();
            SafetensorsWriter.write(copy, Map.of("a", TensorSource.of(file, "a")));
            assertTrue(mapped.getCount() <= before, mapped.getCount() + " mappings");
        }

        try (SafetensorsFile written = SafetensorsFile.open(copy)) {
            assertEquals(size, written.info("a").byteLength());
        }
    }

    @Test
    void missingFileIsNamed() {
        Path absent = dir.resolve("absent.safetensors");
        CheckpointException e =
                assertThrows(CheckpointException.class, () -> SafetensorsFile.open(absent));
        assertEquals(absent + ": no such file; check the path", e.getMessage());
    }

    @Test
    void truncatedAnywhereIsRefused() throws IOException {
        byte[] whole = bytes("{" + tensor("a", "F32", "[2]", "[0,8]") + "}", 8);
        for (int length = 0; length < whole.length; length++) {
            refusalOf(Arrays.copyOf(whole, length));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1L << 62, -1, Long.MIN_VALUE, 100_000_001, 100_000_000, 17})
    void headerLongerThanTheFileIsRefusedBeforeItIsAllocated(long length) throws IOException {
        byte[] bytes = bytes("{}              ", 0);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);

        String message = refusalOf(bytes);

        boolean isOverLimit = length < 0 || length > 100_000_000;
        assertTrue(message.contains(isOverLimit ? "the limit is" : "cut off"), message);
    }

    @Test
    void overlapIsRefused() throws IOException {
        String header =
                "{"
                        + tensor("a", "U8", "[4]", "[0,4]")
                        + ","
                        + tensor("b", "U8", "[4]", "[2,6]")
                        + "}";
        assertRefused(header, 6, "tensors `a` and `b` overlap");
    }

    @Test
    void holeIsRefused() throws IOException {
        String a = tensor("a", "U8", "[4]", "[0,4]");
        assertRefused(
                "{" + a + "," + tensor("b", "U8", "[1]", "[5,6]") + "}",
                6,
                "1 bytes before tensor `b` belong to no tensor");
        assertRefused("{" + a + "}", 6, "2 bytes before the end of the file");
        assertRefused("{" + tensor("a", "U8", "[4]", "[1,5]") + "}", 5, "1 bytes before tensor");
        assertRefused("{}", 5, "5 bytes before the end of the file");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[-1]                     | [0,4]   | expected 0 or more, found -1",
                "[-1,-4]                  | [0,4]   | expected 0 or more, found -1",
                "[1]                      | [-4,0]  | expected 0 or more, found -4",
                "[4294967296,4294967296]  | [0,4]   | more bytes than 64 bits can count",
                "[4611686018427387904]    | [0,0]   | more bytes than 64 bits can count",
                "[99999999999999999999]   | [0,4]   | not valid JSON",
                "[1.0]                    | [0,4]   | expected a whole number, found `1.0`",
                "['1']                    | [0,4]   | expected a whole number, found `1`",
                "[[1]]                    | [0,4]   | expected a whole number, found `[`",
                "null                     | [0,4]   | expected a list, found `null`",
                "[2]                      | [0,4]   | needs 8 bytes, `data_offsets` span 4",
                "[1]                      | [4,0]   | lie outside of the file's 4 data bytes",
                "[2]                      | [0,8]   | lie outside of the file's 4 data bytes",
                "[1]                      | [0]     | two `data_offsets`",
                "[1]                      | [0,4,4] | more than 2 numbers",
            })
    void wrongShapesAndOffsetsAreRefused(String shape, String offsets, String why)
            throws IOException {
        String json = "{" + tensor("a", "F32", shape, offsets).replace('\'', '"') + "}";

        assertRefused(json, 4, why);
    }

    @Test
    void duplicateKeysAreRefused() throws IOException {
        String a = tensor("a", "U8", "[4]", "[0,4]");
        assertRefused("{" + a + "," + a + "}", 4, "not valid JSON");
        String inner = "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[0],";
        assertRefused(inner + "\"data_offsets\":[0,0]}}", 0, "not valid JSON");
    }

    @Test
    void unknownKeysAndWrongMetadataAreRefused() throws IOException {
        assertRefused("{\"a\":{\"color\":1}}", 0, "`color` is not a key of the format");
        assertRefused("{\"a\":{\"dtype\":\"U8\"}}", 0, "needs `dtype`, `shape`");
        assertRefused("{\"a\":7}", 0, "tensor `a`: expected an object, found `7`");
        assertRefused("{\"__metadata__\":{\"n\":1}}", 0, "expected text, found `1`");
        assertRefused("{} {}", 0, "goes on after its closing bracket");
        assertRefused("[]", 0, "does not begin with `{`");
        assertRefused("{\"a\":" + "[".repeat(50_000), 0, "expected an object");
    }

    @Test
    void textThatIsNotUtf8IsRefused() throws IOException {
        byte[] bytes = bytes("{\"__metadata__\":{\"x\":\"?\"}}", 0);
        bytes[new String(bytes, StandardCharsets.ISO_8859_1).indexOf('?')] = (byte) 0xFF;

        assertTrue(refusalOf(bytes).contains("not UTF-8"));
    }

    @Test
    void unknownAndQuantizedTypesAreRefusedWithTheReason() throws IOException {
        assertRefused(
                "{" + tensor("a", "F8_E4M3", "[4]", "[0,4]") + "}",
                4,
                "tensor `a`: dtype `F8_E4M3` is a quantized type");
        assertRefused("{" + tensor("a", "C64", "[1]", "[0,8]") + "}", 8, "unknown dtype `C64`");
    }

    @Test
    void filesOfOtherKindsAreNamedWithTheNextStep() throws IOException {
        assertEquals(
                "x.safetensors: not a safetensors file: begins with a Git LFS pointer; the weights"
                        + " were not downloaded: run `git lfs pull` in that folder, or fetch the"
                        + " file again",
                refusalOf(ascii("version https://git-lfs.github.com/spec/v1\noid sha256:4d\n")));
        assertTrue(refusalOf(ascii("<!DOCTYPE html><html>")).contains("is an HTML page"));
        assertTrue(refusalOf(ascii("\n <html>")).contains("is an HTML page"));
        assertTrue(refusalOf(ascii("PK\003\004zzzzzzzz")).contains("is a zip archive"));
        byte[] pickle = {(byte) 0x80, 2, (byte) 0x8a, 10, 'l', (byte) 0xfc, 1, 2, 3, 4};
        assertTrue(refusalOf(pickle).contains("Python pickle"));
        assertTrue(refusalOf(new byte[0]).contains("the file is empty"));
    }

    @Test
    void headerWhoseLengthLooksLikeAPickleIsStillRead() throws IOException {
        for (int length : new int[] {0x80, 0x280, 0x580}) {
            byte[] bytes = bytes("{}" + " ".repeat(length - 2), 0);
            SafetensorsFile.open(file(bytes)).close();
        }
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
