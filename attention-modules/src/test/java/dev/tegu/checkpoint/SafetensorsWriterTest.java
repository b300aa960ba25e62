package dev.tegu.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsWriterTest {

    @TempDir Path dir;

    static TensorSource bytes(DType dtype, List<Long> shape, int... values) {
        ByteBuffer buffer = ByteBuffer.allocate(values.length);
        for (int value : values) {
            buffer.put((byte) value);
        }
        return TensorSource.of(dtype, shape, buffer.flip()::duplicate);
    }

    @Test
    void layoutIsTheFormatsOwn() throws IOException {
        Path file = dir.resolve("a.safetensors");

        SafetensorsWriter.write(
                file,
                Map.of(
                        "b", bytes(DType.U8, List.of(3L), 1, 2, 3),
                        "c", bytes(DType.F16, List.of(), 4, 5),
                        "a", bytes(DType.U8, List.of(1L, 1L), 6)));

        String header =
                "{\"__metadata__\":{\"format\":\"pt\"},"
                        + "\"c\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]},"
                        + "\"a\":{\"dtype\":\"U8\",\"shape\":[1,1],\"data_offsets\":[2,3]},"
                        + "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[3,6]}}";
        String padded = header + " ".repeat(Math.floorMod(-header.length(), 8));
        ByteBuffer written = ByteBuffer.wrap(Files.readAllBytes(file));
        assertEquals(padded.length(), Long.reverseBytes(written.getLong()));
        byte[] json = new byte[padded.length()];
        written.get(json);
        assertEquals(padded, new String(json, StandardCharsets.UTF_8));
        byte[] data = new byte[written.remaining()];
        written.get(data);
        assertArrayEquals(new byte[] {4, 5, 6, 1, 2, 3}, data);
    }

    @Test
    void sameTensorsGiveTheSameBytesInWhateverOrderTheyCome() throws IOException {
        Map<String, TensorSource> forward = new LinkedHashMap<>();
        forward.put("x", bytes(DType.I8, List.of(2L), 1, 2));
        forward.put("é\"", bytes(DType.BF16, List.of(1L), 3, 4));
        Map<String, TensorSource> backward = new LinkedHashMap<>();
        backward.put("é\"", forward.get("é\""));
        backward.put("x", forward.get("x"));

        SafetensorsWriter.write(dir.resolve("1"), forward, Map.of("b", "1", "a", "2"));
        SafetensorsWriter.write(
                dir.resolve("2"), backward, new TreeMap<>(Map.of("a", "2", "b", "1")));

        assertArrayEquals(
                Files.readAllBytes(dir.resolve("1")), Files.readAllBytes(dir.resolve("2")));
        try (SafetensorsFile file = SafetensorsFile.open(dir.resolve("1"))) {
            assertEquals("[x, é\"]", file.tensors().keySet().toString());
            assertEquals("{a=2, b=1}", file.metadata().toString());
            assertEquals(4, file.map("é\"").get(1));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 5, 4096})
    void wrongNumberOfBytesIsRefusedAndNothingIsLeft(int count) {
        Path file = dir.resolve("a.safetensors");
        TensorSource source = bytes(DType.F32, List.of(1L), new int[count]);

        CheckpointException e =
                assertThrows(
                        CheckpointException.class,
                        () -> SafetensorsWriter.write(file, Map.of("w", source)));

        String found = count > 4 ? count + " or more" : "" + count;
        assertEquals(
                "a.safetensors: tensor `w`: shape [1] of F32 needs 4 bytes, its source gave "
                        + found,
                e.getMessage());
        assertFalse(Files.exists(file));
    }

    @Test
    void failingSourceLeavesNothing() {
        Path file = dir.resolve("a.safetensors");
        TensorSource failing =
                TensorSource.of(
                        DType.U8,
                        List.of(1L),
                        () -> {
                            throw new IOException("no space");
                        });
        Map<String, TensorSource> tensors =
                Map.of("a", bytes(DType.U8, List.of(1L), 1), "b", failing);

        IOException e =
                assertThrows(IOException.class, () -> SafetensorsWriter.write(file, tensors));

        assertEquals("no space", e.getMessage());
        assertFalse(Files.exists(file));
    }

    @Test
    void existingFileIsNotTouched() throws IOException {
        Path file = Files.writeString(dir.resolve("a.safetensors"), "mine");

        assertThrows(
                FileAlreadyExistsException.class, () -> SafetensorsWriter.write(file, Map.of()));

        assertEquals("mine", Files.readString(file));
    }

    @Test
    void impossibleShapesAreRefused() {
        TensorSource negative = bytes(DType.U8, List.of(-1L));
        TensorSource huge = bytes(DType.F64, List.of(1L << 61));

        assertThrows(IllegalArgumentException.class, negative::byteLength);
        assertThrows(IllegalArgumentException.class, huge::byteLength);
    }

    @Test
    void realModelIsRewrittenTensorByTensor() throws IOException {
        Path original = SharedFiles.path("models/stories260K-hf/model.safetensors");
        Path copy = dir.resolve("copy.safetensors");
        try (SafetensorsFile from = SafetensorsFile.open(original)) {
            Map<String, TensorSource> sources = new TreeMap<>();
            from.tensors().keySet().forEach(n -> sources.put(n, TensorSource.of(from, n)));

            SafetensorsWriter.write(copy, sources, from.metadata());

            try (SafetensorsFile to = SafetensorsFile.open(copy)) {
                assertEquals(from.tensors().keySet(), to.tensors().keySet());
                assertTrue(from.tensors().size() > 10);
                for (String name : from.tensors().keySet()) {
                    assertEquals(from.info(name).shape(), to.info(name).shape());
                    assertEquals(from.map(name), to.map(name), name);
                }
            }
        }
    }
}
